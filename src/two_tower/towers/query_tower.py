"""The query tower as it is served: raw item ids in, query vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_histories
from two_tower.types import FIRST_ID, OUT_OF_VOCABULARY, FloatArray

if TYPE_CHECKING:  # Kedro opens what uses this module, and must not import Keras
    from two_tower.towers.two_tower import TwoTower

UNKNOWN = -1  # the position of an id that no item has


@dataclass(frozen=True, eq=False)
class QueryTower:
    """Towers with the vocabulary that their dense ids come from.

    Attributes:
        towers: the trained model, built.
        item_ids: `[N]` int64 or string; the item of dense id i + 2.
        edges: rising widths that histories are padded to; the last is the most items
            of a history that count.
        slots: items in a batch, padding included.
    """

    towers: TwoTower
    item_ids: pa.Array
    edges: Sequence[int]
    slots: int

    def encode(self, histories: pa.ListArray) -> FloatArray:
        """Return each history's query vector.

        Args:
            histories: R lists of raw item ids, oldest first; an empty or null one is a
                user without a history. An unknown id says nothing and is left out.

        Returns:
            `[R, D]` float32 of length 1.
        """
        # A column without any item has values of no type at all.
        items = pc.list_flatten(histories).cast(self.item_ids.type)
        position = pc.index_in(items, value_set=self.item_ids)
        dense = (
            pc.fill_null(position, UNKNOWN).to_numpy(zero_copy_only=False) + FIRST_ID
        )
        lengths = pc.fill_null(pc.list_value_length(histories), 0).to_numpy()
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        known = Ragged(dense.astype(np.int32), offsets).keep(dense >= FIRST_ID)
        return self.encode_dense(known)

    def encode_dense(self, histories: Ragged) -> FloatArray:
        """Return the same for R rows of dense int32 item ids."""
        return encode_histories(
            self.towers,
            histories,
            np.full(len(histories), OUT_OF_VOCABULARY, np.int32),
            edges=self.edges,
            slots=self.slots,
        )
