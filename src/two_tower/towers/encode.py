"""Encode arrays of any size with trained towers, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from two_tower.chunking import row_slices
from two_tower.ragged import Ragged
from two_tower.towers.events import Events, event_fields
from two_tower.types import FloatArray, IntArray

if TYPE_CHECKING:  # modules that Kedro opens use this one; they import no Keras
    from two_tower.towers.two_tower import TwoTower

# Embedding an item with a title of 20 words, 64 numbers each, takes 5 kB.
ITEMS_PER_BATCH = 16_384


def encode_histories(  # noqa: PLR0913 (users, and sizes of batches)
    towers: TwoTower,
    histories: Ragged,
    users: IntArray,
    *,
    boundaries: Sequence[int],
    tokens_per_batch: int,
    values: Mapping[str, np.ndarray] | None = None,
    events: Events | None = None,
) -> FloatArray:
    """Return the query vectors of users.

    Histories of similar length share a batch. Inputs that the model does not read are
    ignored.

    Args:
        towers: a built model.
        histories: R rows of int32 item indices, oldest first; a row may be empty.
        users: `[R]` int32 user indices, 0 or 1 for unknown users.
        boundaries: rising widths that histories are padded to; of longer histories the
            newest items are read.
        tokens_per_batch: items in a batch, padding included; without histories, users.
        values: feature → `[R, width]`, values of the users in place of stored ones;
            None for stored values.
        events: times and ratings of the histories; None if they are unknown.

    Returns:
        `[R, D]` float32, or `[R, V, D]` if a query has several vectors; of length 1 if
        the model normalises.
    """
    reads_history = towers.max_length > 0
    boundaries = boundaries if reads_history else [1]
    lengths = np.minimum(histories.lengths, boundaries[-1])
    n_vectors = (towers.n_vectors,) if towers.n_vectors > 1 else ()
    shape = (len(histories), *n_vectors, towers.dimension)
    vectors = np.empty(shape, np.float32)
    for width, rows in _batches(lengths, boundaries, tokens_per_batch):
        batch: dict[str, Any] = {}
        if reads_history:
            batch |= _read_histories(towers, histories, events, rows, width)
        if towers.reads_users:
            batch["users"] = users[rows]
        # Batches are always full, so that each width has one shape to compile.
        n_rows = max(tokens_per_batch // width, 1)
        batch = {name: _fill(array, n_rows) for name, array in batch.items()}
        if towers.profile is not None and values:
            given = {name: _fill(v[rows], n_rows) for name, v in values.items()}
            batch["values"] = given
        vectors[rows] = np.asarray(towers.predict_on_batch(batch))[: len(rows)]
    return vectors


def encode_items(towers: TwoTower, ids: IntArray) -> FloatArray:
    """Return the items' vectors.

    Args:
        towers: a built model.
        ids: `[N]` int32 item indices.

    Returns:
        `[N, D]` float32, of length 1 if the model normalises.
    """
    vectors = np.empty((len(ids), towers.dimension), np.float32)
    for rows in row_slices(len(ids), ITEMS_PER_BATCH):
        vectors[rows] = np.asarray(towers.item_vectors(ids[rows]))
    return vectors


def _read_histories(
    towers: TwoTower,
    histories: Ragged,
    events: Events | None,
    rows: np.ndarray,
    width: int,
) -> dict[str, np.ndarray]:
    """Return the batch fields of some rows' histories."""
    own = histories.take(rows)
    if not towers.reads_events:
        lengths = np.minimum(own.lengths, width).astype(np.int32)
        return {"items": own.pad(width), "lengths": lengths}
    return event_fields(
        own,
        Events.unknown(own) if events is None else events.take(histories, rows),
        width,
        request_time=towers.request_time,
    )


def _batches(
    lengths: np.ndarray, boundaries: Sequence[int], tokens_per_batch: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the width and row indices of each batch."""
    bucket_of_row = np.searchsorted(boundaries, lengths)
    for bucket, width in enumerate(boundaries):
        rows = np.flatnonzero(bucket_of_row == bucket)
        size = max(tokens_per_batch // width, 1)
        for start in range(0, len(rows), size):
            yield width, rows[start : start + size]


def _fill(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """Return the rows followed by zeros, `n_rows` in all."""
    filled = np.zeros((n_rows, *rows.shape[1:]), rows.dtype)
    filled[: len(rows)] = rows
    return filled
