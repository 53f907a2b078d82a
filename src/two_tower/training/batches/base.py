"""The arrays of a batch, and the protocol of an epoch's batches."""

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.types import State

Batch: TypeAlias = dict[str, npt.NDArray[Any]]
"""The arrays of one batch: B rows, P queries, T items of a history, Q candidates.

`users` `[B]` int32: user index of each row, 0 for padding.
`rows` `[P]` int32: the row of each query.
`labels` `[P]` int32, `weights` `[P]` float32: the positive of each query and its
    weight, 1, or 0 for padding, which comes last.
`items` `[B, T]` int32, `positions` `[P]` int32, with a query per position: histories,
    and the position of each query, row · T + column, or B · T for an empty history.
`ages` `[B, T]` int32, if the encoder reads times: ages of the history's events.
`items`, `lengths`, `hours`, `ages`, `ratings`, `request_hours`, with a query per row:
    the history of each query and its events (see `span_fields`).
`progress` `[]` float32, with a query per row: completed share of the training.
`candidates` `[Q]` or `[P, n]` int32, `candidate_weights` and `candidate_log_q` of the
    same shape, `own_log_q` `[P]` float32, `own_column` `[P]` int32: see `Candidates`.
`excluded` `[B, Q]` bool: candidates that are masked for a row's user.
`views_items` `[S]` int32, `views_left`, `views_right` `[S, F]` bool: see `Views`.
"""


class Batches(Protocol):
    """The batches of the current epoch.

    All randomness derives from (seed, epoch) and the state left by earlier epochs. An
    epoch can be read again and gives the same batches.
    """

    n_positives: int
    """(Query, positive) pairs of an epoch."""

    max_queries: int
    """P of the largest batch."""

    def begin(self, epoch: int) -> None:
        """Start an epoch, counted from 0."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield the epoch's batches, from its first one."""

    def __len__(self) -> int:
        """Return the number of batches, the same in every epoch."""

    def state(self) -> State:
        """Return the state at the end of the last complete epoch."""

    def restore(self, state: State) -> None:
        """Resume from the `state` of an earlier epoch's end."""


def padded(values: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """Return `[length]`, the values followed by zeros."""
    result = np.zeros(length, values.dtype)
    result[: len(values)] = values
    return result
