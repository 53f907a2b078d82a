"""Small catalogues for tests."""

from typing import Any

import numpy as np

from two_tower.simulation.movies import NONE, Movies


def some_movies(n_movies: int, **changes: Any) -> Movies:
    """Return equal movies of interest 0, arrived in month 0; changes are lists."""
    values: dict[str, Any] = {
        "movie_id": np.arange(n_movies) + 1,
        "title": [f"Movie {row} (1990)" for row in range(n_movies)],
        "year": np.full(n_movies, 1990),
        "genres": [("Drama",)] * n_movies,
        "interest": np.zeros(n_movies, dtype=np.int64),
        "second_interest": np.full(n_movies, NONE),
        "popularity": np.ones(n_movies),
        "quality": np.zeros(n_movies),
        "arrival": np.zeros(n_movies, dtype=np.int64),
        "sequel": np.full(n_movies, NONE),
    }
    return Movies(**values | {name: np.array(x) for name, x in changes.items()})
