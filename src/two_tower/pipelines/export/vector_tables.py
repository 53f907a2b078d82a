"""Tables of vectors, computed chunk by chunk."""

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
    """Yield the first columns of a table and a column `vector`.

    Args:
        rows: in the order of the output.
        size: rows per chunk.
        embed: maps up to `size` rows to `[rows, D]` float32.
        keep: number of columns to keep; only `embed` reads the others.
    """
    for chunk, vectors in _embed_chunks(rows, size, embed):
        columns = [column.combine_chunks() for column in chunk.columns[:keep]]
        names = [*chunk.column_names[:keep], "vector"]
        yield pa.RecordBatch.from_arrays([*columns, as_lists(vectors)], names)


def embed_users(
    rows: ir.Table, *, size: int, embed: Callable[[pa.Table], FloatArray], keep: int
) -> Iterator[pa.RecordBatch]:
    """Yield a row for each vector of each user.

    Args:
        rows: one per user, in the order of the output.
        size: users per chunk.
        embed: maps up to `size` users to `[users, D]` or `[users, V, D]` float32.
        keep: number of columns to keep; only `embed` reads the others.

    Yields:
        The kept columns, `vector_index` (int32, from 0 for each user) and `vector`.
    """
    for chunk, vectors in _embed_chunks(rows, size, embed):
        several = with_vector_axis(vectors)
        n_users, n_vectors, dimension = several.shape
        users = pa.array(np.repeat(np.arange(n_users), n_vectors))
        index = np.tile(np.arange(n_vectors, dtype=np.int32), n_users)
        kept = chunk.select(chunk.column_names[:keep]).take(users)
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


def _embed_chunks(
    rows: ir.Table, size: int, embed: Callable[[pa.Table], FloatArray]
) -> Iterator[tuple[pa.Table, FloatArray]]:
    """Yield chunks of up to `size` rows with their vectors, and log the progress."""
    n_rows = int(rows.count().to_pyarrow().as_py())
    batches = rows.to_pyarrow_batches(chunk_size=size)
    n_done = 0
    for chunk in cut_tables(batches, rows.schema().to_pyarrow(), repeat(size)):
        vectors = embed(chunk)
        yield chunk, vectors
        n_done += chunk.num_rows
        kind = chunk.column_names[0]
        line = f"embedded {n_done:,} of {n_rows:,} {kind}s"
        n_vectors = with_vector_axis(vectors).shape[1]
        logger.info(
            "%s", line if n_vectors == 1 else f"{line}, {n_vectors} vectors each"
        )
