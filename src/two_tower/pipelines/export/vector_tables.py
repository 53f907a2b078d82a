"""Tables of vectors, made a piece at a time."""

import logging
from collections.abc import Callable, Iterator
from itertools import repeat

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from two_tower.chunking import cut_tables
from two_tower.query_vectors import with_vector_axis
from two_tower.types import FloatArray

logger = logging.getLogger(__name__)


def embed_rows(
    rows: ir.Table, *, size: int, embed: Callable[[pa.Table], FloatArray], keep: int
) -> Iterator[pa.RecordBatch]:
    """Yield the first columns of a table with a column `vector` behind them.

    Args:
        rows: in the order that they are to have.
        size: rows that are embedded at a time.
        embed: from up to `size` rows to `[rows, D]` float32.
        keep: how many columns stay; those behind are for `embed` alone.
    """
    for piece, vectors in _embedded(rows, size, embed):
        columns = [column.combine_chunks() for column in piece.columns[:keep]]
        names = [*piece.column_names[:keep], "vector"]
        yield pa.RecordBatch.from_arrays([*columns, as_lists(vectors)], names)


def embed_users(
    rows: ir.Table, *, size: int, embed: Callable[[pa.Table], FloatArray], keep: int
) -> Iterator[pa.RecordBatch]:
    """Yield a row for each vector of each user, a user's vectors in their order.

    Args:
        rows: one per user, in the order that they are to have.
        size: users that are embedded at a time.
        embed: from up to `size` users to `[users, D]` or `[users, V, D]` float32.
        keep: how many columns stay; those behind are for `embed` alone.

    Yields:
        The columns, `vector_index` (int32, from 0 for each user) and `vector`.
    """
    for piece, vectors in _embedded(rows, size, embed):
        several = with_vector_axis(vectors)
        n_users, n_vectors, dimension = several.shape
        users = pa.array(np.repeat(np.arange(n_users), n_vectors))
        index = np.tile(np.arange(n_vectors, dtype=np.int32), n_users)
        kept = piece.select(piece.column_names[:keep]).take(users)
        columns = [column.combine_chunks() for column in kept.columns]
        yield pa.RecordBatch.from_arrays(
            [
                *columns,
                pa.array(index),
                as_lists(several.reshape(n_users * n_vectors, dimension)),
            ],
            [*kept.column_names, "vector_index", "vector"],
        )


def as_lists(vectors: FloatArray) -> pa.ListArray:
    """Return `[N, D]` float32 as N lists."""
    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel()))


def _embedded(
    rows: ir.Table, size: int, embed: Callable[[pa.Table], FloatArray]
) -> Iterator[tuple[pa.Table, FloatArray]]:
    """Yield pieces of up to `size` rows with their vectors, and log how far it is."""
    n_rows = int(rows.count().to_pyarrow().as_py())
    batches = rows.to_pyarrow_batches(chunk_size=size)
    n_done = 0
    for piece in cut_tables(batches, rows.schema().to_pyarrow(), repeat(size)):
        vectors = embed(piece)
        yield piece, vectors
        n_done += piece.num_rows
        kind = piece.column_names[0]
        line = f"embedded {n_done:,} of {n_rows:,} {kind}s"
        n_vectors = with_vector_axis(vectors).shape[1]
        logger.info(
            "%s", line if n_vectors == 1 else f"{line}, {n_vectors} vectors each"
        )
