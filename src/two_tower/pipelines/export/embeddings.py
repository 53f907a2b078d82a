"""Tables of vectors, made a piece at a time."""

from collections.abc import Callable, Iterator
from itertools import repeat

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from two_tower.pieces import cut_tables
from two_tower.types import FloatArray


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
    batches = rows.to_pyarrow_batches(chunk_size=size)
    for piece in cut_tables(batches, rows.schema().to_pyarrow(), repeat(size)):
        vectors = embed(piece)
        offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
        lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel()))
        columns = [column.combine_chunks() for column in piece.columns[:keep]]
        names = [*piece.column_names[:keep], "vector"]
        yield pa.RecordBatch.from_arrays([*columns, lists], names)
