"""Rows in chunks of bounded size, which bound the memory."""

from collections.abc import Iterable, Iterator

import pyarrow as pa


def row_slices(n_rows: int, size: int) -> Iterator[slice]:
    """Yield slices that cover `n_rows`, of `size` rows each except the last.

    A size below 1 counts as 1.
    """
    step = max(1, size)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def cut_tables(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, sizes: Iterable[int]
) -> Iterator[pa.Table]:
    """Yield the rows of batches in tables of the given sizes.

    Args:
        batches: rows, with columns that can be cast to the schema.
        schema: schema of the tables.
        sizes: endless sizes, in rows; the last table may be smaller.

    Yields:
        At least one table, each column in one Arrow chunk.
    """
    remaining_sizes = iter(sizes)
    size = next(remaining_sizes)
    pending = schema.empty_table()
    is_first = True
    for batch in batches:
        rows = pa.Table.from_batches([batch]).cast(schema)
        pending = pa.concat_tables([pending, rows])
        while pending.num_rows >= size:
            yield pending.slice(0, size).combine_chunks()
            pending, size = pending.slice(size), next(remaining_sizes)
            is_first = False
    if pending.num_rows or is_first:
        yield pending.combine_chunks()


def count_queries(width: int, *, tokens_per_batch: int, chunk: int) -> int:
    """Return the number of queries per batch, rounded up to whole chunks.

    A row has a query per position, and one more for its first item.

    Args:
        width: positions per row.
        tokens_per_batch: positions per batch, padding included.
        chunk: queries per logits chunk.
    """
    n_rows = tokens_per_batch // width
    return -(-n_rows * (width + 1) // chunk) * chunk
