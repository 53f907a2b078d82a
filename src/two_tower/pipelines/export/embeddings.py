"""Tables of vectors, made a piece at a time."""

from collections.abc import Callable, Iterator

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

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
    for piece in _pieces(rows, size):
        vectors = embed(piece)
        offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
        lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel()))
        columns = [column.combine_chunks() for column in piece.columns[:keep]]
        names = [*piece.column_names[:keep], "vector"]
        yield pa.RecordBatch.from_arrays([*columns, lists], names)


def _pieces(rows: ir.Table, size: int) -> Iterator[pa.Table]:
    """Yield the rows in tables of `size`, the last one smaller; at least one table."""
    waiting = rows.schema().to_pyarrow().empty_table()
    is_first = True
    for batch in rows.to_pyarrow_batches(chunk_size=size):
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        while waiting.num_rows >= size:
            yield waiting.slice(0, size)
            waiting, is_first = waiting.slice(size), False
    if waiting.num_rows or is_first:
        yield waiting
