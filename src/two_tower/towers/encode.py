"""Apply trained towers to arrays of any size, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from two_tower.ragged import Ragged
from two_tower.types import FloatArray, IntArray

if TYPE_CHECKING:  # Kedro opens what uses this module, and must not import Keras
    from two_tower.towers.two_tower import TwoTower

# Of an item with a title of 20 words, features of 64 numbers take 5 kB on the way.
ITEMS_AT_A_TIME = 16_384


def encode_histories(
    towers: TwoTower, histories: Ragged, *, edges: Sequence[int], slots: int
) -> FloatArray:
    """Return each history's query vector.

    Histories of similar length share a batch; of longer ones than the last edge the
    newest items count.

    Args:
        towers: a built model.
        histories: R rows of dense int32 item ids, oldest first; a row may be empty.
        edges: rising widths that batches are padded to.
        slots: items in a batch, padding included.

    Returns:
        `[R, D]` float32 of length 1.
    """
    lengths = np.minimum(histories.lengths, edges[-1])
    vectors = np.empty((len(histories), towers.item_tower.dimension), np.float32)
    for width, rows in _batches(lengths, edges, slots):
        # A full batch every time, so that each width has one shape to compile.
        n_rows = max(slots // width, 1)
        items = np.zeros((n_rows, width), np.int32)
        items[: len(rows)] = histories.take(rows).pad(width)
        padded_lengths = np.zeros(n_rows, np.int32)
        padded_lengths[: len(rows)] = lengths[rows]
        batch = {"items": items, "lengths": padded_lengths}
        vectors[rows] = np.asarray(towers.predict_on_batch(batch))[: len(rows)]
    return vectors


def encode_items(towers: TwoTower, ids: IntArray) -> FloatArray:
    """Return the items' unit vectors.

    Args:
        towers: a built model.
        ids: `[N]` int32 dense item ids.

    Returns:
        `[N, D]` float32 of length 1.
    """
    vectors = np.empty((len(ids), towers.item_tower.dimension), np.float32)
    for start in range(0, len(ids), ITEMS_AT_A_TIME):
        piece = slice(start, start + ITEMS_AT_A_TIME)
        vectors[piece] = np.asarray(towers.item_vectors(ids[piece]))
    return vectors


def _batches(
    lengths: np.ndarray, edges: Sequence[int], slots: int
) -> Iterator[tuple[int, np.ndarray]]:
    bucket_of_row = np.searchsorted(edges, lengths)
    for bucket, width in enumerate(edges):
        rows = np.flatnonzero(bucket_of_row == bucket)
        size = max(slots // width, 1)
        for start in range(0, len(rows), size):
            yield width, rows[start : start + size]
