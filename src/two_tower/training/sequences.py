"""Training sequences in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.ragged import Ragged
from two_tower.towers.events import flat_ratings, flat_timestamps
from two_tower.types import FloatArray, Int64Array, IntArray


@dataclass(frozen=True)
class SequenceEvents:
    """Times and ratings of the windows' items, 20 bytes an interaction.

    Attributes:
        timestamps: int64 seconds since 1970 (UTC) of each item.
        ratings: float32 of each item; NaN without one.
        target_timestamps: int64 seconds of each target.
    """

    timestamps: Int64Array
    ratings: FloatArray
    target_timestamps: Int64Array


@dataclass(frozen=True)
class Sequences:
    """The windows of all training histories, eight bytes an interaction.

    A user's windows are consecutive, and each starts with the last target of the one
    before: together, their items are the user's history without its last item.

    Attributes:
        users: `[W]` int32 user index of each window.
        items: int32 item indices of each window, oldest first; at least one.
        targets: the item after each of them; none if a user has a single item.
        is_first: `[W]` bool, whether the window is its user's oldest, which starts with
            the user's first item.
        events: times and ratings, for encoders that read them.
    """

    users: IntArray
    items: Ragged
    targets: Ragged
    is_first: npt.NDArray[np.bool_]
    events: SequenceEvents | None = None

    @classmethod
    def from_batches(
        cls, batches: Iterable[pa.RecordBatch], *, with_events: bool = False
    ) -> Self:
        """Collect `train_sequences`, ordered by user and window.

        Args:
            batches: with the columns `user`, `items`, `targets`, `window` and, for
                events, `timestamps`, `ratings` and `target_timestamps`.
            with_events: whether to keep times and ratings.

        Raises:
            ValueError: if there is no sequence.
        """
        columns = ["user", "items", "targets", "window"]
        if with_events:
            columns += ["timestamps", "ratings", "target_timestamps"]
        parts = [batch.select(columns) for batch in batches]
        if not sum(part.num_rows for part in parts):
            raise ValueError(
                "train_sequences has no rows: no user has a training interaction. "
                "Lower the minimum counts of sequencing, or bring more data."
            )
        table = pa.Table.from_batches(parts)
        return cls(
            table["user"].to_numpy(),
            Ragged.from_arrow(table["items"]),
            Ragged.from_arrow(table["targets"]),
            table["window"].to_numpy() == 0,
            _read_events(table) if with_events else None,
        )

    @property
    def n_positives(self) -> int:
        """(Query, positive) pairs of an epoch."""
        return len(self.targets.values) + int(self.is_first.sum())

    def pairs(self) -> tuple[IntArray, IntArray]:
        """Return the user and item indices of all training items, `[P]` int32 each.

        Users' first items come last.
        """
        firsts = self.items.values[self.items.offsets[:-1][self.is_first]]
        users = [self.users[self.targets.rows], self.users[self.is_first]]
        return np.concatenate(users), np.concatenate([self.targets.values, firsts])

    def count_positives(self, n_items: int) -> npt.NDArray[np.int64]:
        """Return `[n_items]` int64, how often each item is a positive."""
        _, labels = self.pairs()
        return np.bincount(labels, minlength=n_items)


def _read_events(table: pa.Table) -> SequenceEvents:
    return SequenceEvents(
        flat_timestamps(table["timestamps"]),
        flat_ratings(table["ratings"]),
        flat_timestamps(table["target_timestamps"]),
    )
