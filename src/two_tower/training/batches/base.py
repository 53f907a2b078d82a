"""What a batch holds, and the feeds that make batches of an epoch."""

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.types import State

Batch: TypeAlias = dict[str, npt.NDArray[Any]]
"""The arrays of one batch; B rows, P places (queries), T width, Q candidates.

`users` `[B]` int32: each row's dense user id, 0 for padding.
`rows` `[P]` int32: the row of each place.
`labels` `[P]` int32, `weights` `[P]` float32: the positive of each place, and 1, or 0
    for padding, which stands last.
`items` `[B, T]` int32, `positions` `[P]` int32: histories, and the position of each
    query in them, row · T + column, or B · T for an empty history; of sequences alone.
`ages` `[B, T]` int32: how old their events are, of sequences for towers that read it.
`items`, `lengths`, `hours`, `ages`, `ratings`, `asked_hours`: the history of each place
    with its events, of places that are rows of their own (see `span_fields`).
`progress` `[]` float32: how much of the training is done, in [0, 1], likewise.
`candidates` `[Q]` or `[P, n]` int32, `candidate_weights`, `candidate_log_q` of the same
    shape and `own_log_q` `[P]` float32, `own_column` `[P]` int32: what a source of
    negatives has drawn, as `Candidates` has it.
`excluded` `[B, Q]` bool: candidates that are no negatives of a row's user.
`views_items` `[S]` int32, `views_left`, `views_right` `[S, F]` bool: two views of each
    item.
"""


class Batches(Protocol):
    """The batches of whichever epoch has begun.

    What is drawn for them comes from (seed, epoch) and the state that earlier epochs
    left. An epoch can be read again, to the same batches.
    """

    n_positives: int
    """Pairs that an epoch trains."""

    max_queries: int
    """P of the largest batch."""

    def begin(self, epoch: int) -> None:
        """Make the epoch, from 0, the one that is read."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield the epoch's batches, from its first one."""

    def __len__(self) -> int:
        """Return the number of batches, the same in every epoch."""

    def state(self) -> State:
        """Return what is remembered at the end of the epoch that was last read."""

    def restore(self, state: State) -> None:
        """Go on from what `state` returned at the end of an epoch."""


def padded(values: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """Return `[length]`, the values with zeros behind them."""
    result = np.zeros(length, values.dtype)
    result[: len(values)] = values
    return result
