"""The simulation as a whole: a catalogue, and ratings by chunks of users."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa

from two_tower.movielens.releases import RELEASES, Release
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.movies import Movies, sample_movies
from two_tower.simulation.pools import Pools, make_pools
from two_tower.simulation.random_streams import Floats
from two_tower.simulation.rated_movies import (
    RatedMovies,
    Reason,
    sample_rated_movies,
    sample_stars,
)
from two_tower.simulation.recipe import Recipe
from two_tower.simulation.sessions import Schedule, sample_schedule
from two_tower.simulation.users import Users, n_chunks, sample_users

_INTEREST_NAMES: Final = pa.array([interest.name for interest in INTERESTS])
_REASON_NAMES: Final = pa.array([reason.name.lower() for reason in Reason])


@dataclass(frozen=True)
class RatingChunk:
    """Ratings of one chunk of users.

    Attributes:
        number: index of the chunk, from 0.
        users: the chunk's users.
        schedule: time, session and interest of each rating.
        rated: movie of each rating and the reason for it.
        stars: float64 `[ratings]`.
    """

    number: int
    users: Users
    schedule: Schedule
    rated: RatedMovies
    stars: Floats


@dataclass(frozen=True)
class Simulation:
    """A recipe with its catalogue; users and ratings are sampled on demand.

    Memory holds one chunk of users at a time: it grows with `users_per_chunk` and the
    catalogue, not with the number of ratings.
    """

    recipe: Recipe
    release: Release
    movies: Movies
    pools: Pools

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        """Return the simulation of a recipe."""
        movies = sample_movies(recipe)
        return cls(recipe, RELEASES[recipe.release], movies, make_pools(recipe, movies))

    def user_chunks(self) -> Iterator[Users]:
        """Yield all users, a chunk at a time."""
        for number in range(n_chunks(self.recipe)):
            yield sample_users(self.recipe, number)

    def rating_chunks(self) -> Iterator[RatingChunk]:
        """Yield all ratings, a chunk of users at a time."""
        for number, users in enumerate(self.user_chunks()):
            yield self._rating_chunk(number, users)

    def _rating_chunk(self, number: int, users: Users) -> RatingChunk:
        recipe, movies = self.recipe, self.movies
        schedule = sample_schedule(recipe, users, number)
        rated = sample_rated_movies(recipe, movies, self.pools, schedule, number)
        stars = sample_stars(recipe, movies, users, rated, number)
        return RatingChunk(number, users, schedule, rated, stars)


@dataclass(frozen=True)
class GroundTruth:
    """True interests behind a simulated archive, one batch per chunk of users.

    Each iteration samples the ratings again from the recipe. The class is iterable but
    no iterator, because Kedro saves each item of an iterator separately.

    Columns, one row per rating, oldest first within each user:

    - `user_id`, `movie_id`: int64, as in the archive; pairs are unique.
    - `timestamp`: int64, seconds since 1970.
    - `session`: int32, the user's sessions counted from 0.
    - `reason`: `interest`, `sequel` or `popularity`.
    - `interest`: interest behind the rating; null if the reason is `popularity`.
    - `movie_interest`: first interest of the movie.
    """

    recipe: Recipe

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        simulation = Simulation.from_recipe(self.recipe)
        for chunk in simulation.rating_chunks():
            yield _ground_truth_batch(simulation, chunk)


def _ground_truth_batch(simulation: Simulation, chunk: RatingChunk) -> pa.RecordBatch:
    schedule, movie = chunk.schedule, chunk.rated.movie
    reason = chunk.rated.reason
    movie_interest = simulation.movies.interest[movie]
    # A sequel has the interest of its series, whatever the session's interest is.
    interest = np.where(reason == Reason.SEQUEL, movie_interest, schedule.interest)
    is_null = reason == Reason.POPULARITY
    columns = {
        "user_id": pa.array(chunk.users.user_id[schedule.user]),
        "movie_id": pa.array(simulation.movies.movie_id[movie]),
        "timestamp": pa.array(schedule.timestamp),
        "session": pa.array(schedule.session.astype(np.int32)),
        "reason": _REASON_NAMES.take(pa.array(reason)),
        "interest": _INTEREST_NAMES.take(pa.array(interest, mask=is_null)),
        "movie_interest": _INTEREST_NAMES.take(pa.array(movie_interest)),
    }
    return pa.RecordBatch.from_pydict(columns)
