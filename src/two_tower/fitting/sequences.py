"""Training sequences in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.ragged import Ragged
from two_tower.types import IntArray


@dataclass(frozen=True)
class Sequences:
    """The windows of all training histories, eight bytes an interaction.

    Attributes:
        users: `[W]` int32, each window's dense user id.
        items: each window's dense int32 item ids, oldest first; one item or more.
        targets: the item after each of them; none where a user has one item alone.
        is_first: `[W]` bool, whether the window is its user's oldest, so that its
            first item is what the user began with.
    """

    users: IntArray
    items: Ragged
    targets: Ragged
    is_first: npt.NDArray[np.bool_]

    @classmethod
    def from_batches(cls, batches: Iterable[pa.RecordBatch]) -> Self:
        """Collect `train_sequences`: columns `user`, `items`, `targets`, `window`.

        Raises:
            ValueError: if there is no sequence.
        """
        columns = ["user", "items", "targets", "window"]
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
        )

    @property
    def n_positives(self) -> int:
        """How many (query, item) pairs an epoch trains."""
        return len(self.targets.values) + int(self.is_first.sum())

    def pairs(self) -> tuple[IntArray, IntArray]:
        """Return every user with every item of the training history, `[P]` int32 each.

        The items that histories begin with stand last.
        """
        firsts = self.items.values[self.items.offsets[:-1][self.is_first]]
        users = [self.users[self.targets.rows], self.users[self.is_first]]
        return np.concatenate(users), np.concatenate([self.targets.values, firsts])

    def count_positives(self, n_items: int) -> npt.NDArray[np.int64]:
        """Return `[n_items]`, how often each dense id is a positive."""
        _, labels = self.pairs()
        return np.bincount(labels, minlength=n_items)
