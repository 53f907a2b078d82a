"""Put a simulation together: its catalogue at once, its users chunk by chunk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa

from two_tower.movielens.releases import RELEASES, Release
from two_tower.simulation.choices import Choices, Reason, make_choices, make_stars
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.movies import Movies, make_movies
from two_tower.simulation.pools import Pools, make_pools
from two_tower.simulation.random_streams import Floats
from two_tower.simulation.recipe import Recipe
from two_tower.simulation.sessions import Schedule, make_schedule
from two_tower.simulation.users import People, make_people, n_chunks

_INTEREST_NAMES: Final = pa.array([interest.name for interest in INTERESTS])
_REASON_NAMES: Final = pa.array([reason.name.lower() for reason in Reason])


@dataclass(frozen=True)
class Chunk:
    """The ratings of some users.

    Attributes:
        number: which chunk, from 0.
        people: who rates.
        schedule: when, in which session and following which interest.
        choices: which movie and why; entries as in `schedule`.
        stars: float64, the rating; entries as in `schedule`.
    """

    number: int
    people: People
    schedule: Schedule
    choices: Choices
    stars: Floats


@dataclass(frozen=True)
class Simulation:
    """A recipe with its catalogue; users and ratings are made when asked for.

    Memory holds one chunk of users at a time, so it grows with `users_per_chunk` and
    the catalogue, not with the number of ratings.
    """

    recipe: Recipe
    release: Release
    movies: Movies
    pools: Pools

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """Return the simulation that a recipe describes."""
        movies = make_movies(recipe)
        return cls(recipe, RELEASES[recipe.release], movies, make_pools(recipe, movies))

    def people(self) -> Iterator[People]:
        """Yield all users, a chunk at a time."""
        for number in range(n_chunks(self.recipe)):
            yield make_people(self.recipe, number)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all ratings, a chunk of users at a time."""
        for number, people in enumerate(self.people()):
            yield self._chunk(number, people)

    def _chunk(self, number: int, people: People) -> Chunk:
        recipe, movies = self.recipe, self.movies
        schedule = make_schedule(recipe, people, number)
        choices = make_choices(recipe, movies, self.pools, schedule, number)
        stars = make_stars(recipe, movies, people, choices, number)
        return Chunk(number, people, schedule, choices, stars)


@dataclass(frozen=True)
class Truth:
    """The true interests behind a simulated archive, a batch per chunk of users.

    Iterating makes them from the recipe, anew each time, as `make_archive` makes the
    ratings. It is no iterator itself: Kedro would save each batch on its own.

    The columns of a batch, one row per rating, oldest first within each user:

    - `user_id`, `movie_id`: int64, as in the archive; no pair comes twice.
    - `timestamp`: int64, seconds since 1970.
    - `session`: int32, the user's sessions from 0.
    - `reason`: `interest`, `sequel` or `popularity`.
    - `interest`: the interest that the user followed; null for `popularity`.
    - `movie_interest`: the interest that the movie serves first.
    """

    recipe: Recipe

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        simulation = Simulation.of(self.recipe)
        for chunk in simulation.chunks():
            yield _batch(simulation, chunk)


def _batch(simulation: Simulation, chunk: Chunk) -> pa.RecordBatch:
    schedule, movie = chunk.schedule, chunk.choices.movie
    reason = chunk.choices.reason
    serves = simulation.movies.interest[movie]
    # A sequel follows the interest of its series, whatever the session is about.
    followed = np.where(reason == Reason.SEQUEL, serves, schedule.interest)
    is_unknown = reason == Reason.POPULARITY
    columns = {
        "user_id": pa.array(chunk.people.user_id[schedule.user]),
        "movie_id": pa.array(simulation.movies.movie_id[movie]),
        "timestamp": pa.array(schedule.timestamp),
        "session": pa.array(schedule.session.astype(np.int32)),
        "reason": _REASON_NAMES.take(pa.array(reason)),
        "interest": _INTEREST_NAMES.take(pa.array(followed, mask=is_unknown)),
        "movie_interest": _INTEREST_NAMES.take(pa.array(serves)),
    }
    return pa.RecordBatch.from_pydict(columns)
