"""Training sequences in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.ragged import Ragged


@dataclass(frozen=True)
class Sequences:
    """The windows of all training histories, eight bytes an interaction.

    Attributes:
        items: each window's dense int32 item ids, oldest first.
        targets: the item after each of them.
        is_first: `[W]` bool, whether the window is its user's oldest, so that its
            first item is what the user began with.
    """

    items: Ragged
    targets: Ragged
    is_first: npt.NDArray[np.bool_]

    @classmethod
    def from_batches(cls, batches: Iterable[pa.RecordBatch]) -> Self:
        """Collect `train_sequences`: columns `items`, `targets`, `window`.

        Raises:
            ValueError: if there is no sequence.
        """
        columns = ["items", "targets", "window"]
        parts = [batch.select(columns) for batch in batches]
        if not sum(part.num_rows for part in parts):
            raise ValueError(
                "train_sequences has no rows: no user has two training interactions. "
                "Lower the minimum counts of sequencing, or bring more data."
            )
        table = pa.Table.from_batches(parts)
        return cls(
            Ragged.from_arrow(table["items"]),
            Ragged.from_arrow(table["targets"]),
            table["window"].to_numpy() == 0,
        )

    @property
    def n_positives(self) -> int:
        """How many (history, next item) pairs an epoch trains."""
        return len(self.targets.values) + int(self.is_first.sum())

    def count_positives(self, n_items: int) -> npt.NDArray[np.int64]:
        """Return `[n_items]`, how often each dense id is a positive."""
        firsts = self.items.values[self.items.offsets[:-1][self.is_first]]
        labels = np.concatenate([self.targets.values, firsts])
        return np.bincount(labels, minlength=n_items)
