"""Apply trained towers to arrays of any size, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from two_tower.chunking import row_slices
from two_tower.ragged import Ragged
from two_tower.towers.events import Events, event_fields
from two_tower.types import FloatArray, IntArray

if TYPE_CHECKING:  # Kedro opens what uses this module, and must not import Keras
    from two_tower.towers.two_tower import TwoTower

# Of an item with a title of 20 words, features of 64 numbers take 5 kB on the way.
ITEMS_AT_A_TIME = 16_384


def encode_histories(  # noqa: PLR0913 (what is known of users, and batch sizes)
    towers: TwoTower,
    histories: Ragged,
    users: IntArray,
    *,
    boundaries: Sequence[int],
    tokens_per_batch: int,
    values: Mapping[str, np.ndarray] | None = None,
    events: Events | None = None,
) -> FloatArray:
    """Return each user's query vectors, by history, profile, or both.

    Histories of similar length share a batch; of longer ones than the last edge the
    newest items count. A model without a history encoder reads none of them.

    Args:
        towers: a built model.
        histories: R rows of dense int32 item ids, oldest first; a row may be empty.
        users: `[R]` int32 dense ids, 0 or 1 for unknown users; a model of histories
            alone does not read them.
        boundaries: rising widths that histories are padded to.
        tokens_per_batch: items in a batch, padding included; without histories, users.
        values: feature → `[R, width]`, what is known of the users now, in place of what
            is stored; None for what is stored.
        events: of the histories; None if no time and no rating is known. A model that
            reads items alone does not read them.

    Returns:
        `[R, D]` float32, or `[R, V, D]` of a model of V vectors for a user, of length 1
        if the model normalises.
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
        if towers.profile is not None or not towers.query_per_position:
            batch["users"] = users[rows]
        # A full batch every time, so that each width has one shape to compile.
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
        ids: `[N]` int32 dense item ids.

    Returns:
        `[N, D]` float32, of length 1 if the model normalises.
    """
    vectors = np.empty((len(ids), towers.dimension), np.float32)
    for piece in row_slices(len(ids), ITEMS_AT_A_TIME):
        vectors[piece] = np.asarray(towers.item_vectors(ids[piece]))
    return vectors


def _read_histories(
    towers: TwoTower,
    histories: Ragged,
    events: Events | None,
    rows: np.ndarray,
    width: int,
) -> dict[str, np.ndarray]:
    """Return what the towers read of some rows' histories."""
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
    bucket_of_row = np.searchsorted(boundaries, lengths)
    for bucket, width in enumerate(boundaries):
        rows = np.flatnonzero(bucket_of_row == bucket)
        size = max(tokens_per_batch // width, 1)
        for start in range(0, len(rows), size):
            yield width, rows[start : start + size]


def _fill(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """Return the rows with zeros behind them, `n_rows` in all."""
    filled = np.zeros((n_rows, *rows.shape[1:]), rows.dtype)
    filled[: len(rows)] = rows
    return filled
