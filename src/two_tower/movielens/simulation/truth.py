"""What only the simulator knows: which interest each rating followed, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from two_tower.movielens.simulation.choices import Reason
from two_tower.movielens.simulation.interests import INTERESTS
from two_tower.movielens.simulation.recipe import Recipe
from two_tower.movielens.simulation.simulator import Chunk, Simulation

_INTEREST_NAMES: Final = pa.array([interest.name for interest in INTERESTS])
_REASON_NAMES: Final = pa.array([reason.name.lower() for reason in Reason])


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
