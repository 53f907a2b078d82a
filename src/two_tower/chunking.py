"""Rows cut into pieces of bounded size, so that no more is in memory at a time."""

from collections.abc import Iterable, Iterator

import pyarrow as pa


def row_slices(n_rows: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` rows, at least one each, that cover `n_rows`.

    The last one ends at `n_rows`.
    """
    step = max(1, size)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def cut_tables(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, sizes: Iterable[int]
) -> Iterator[pa.Table]:
    """Yield the rows in tables of the given sizes, whatever the batches they come in.

    Args:
        batches: rows of columns that can be cast to the schema.
        schema: of the tables.
        sizes: rows of each table, endless; the last table may be smaller.

    Yields:
        At least one table, each column in one chunk.
    """
    wanted = iter(sizes)
    size = next(wanted)
    waiting = schema.empty_table()
    is_first = True
    for batch in batches:
        rows = pa.Table.from_batches([batch]).cast(schema)
        waiting = pa.concat_tables([waiting, rows])
        while waiting.num_rows >= size:
            yield waiting.slice(0, size).combine_chunks()
            waiting, size, is_first = waiting.slice(size), next(wanted), False
    if waiting.num_rows or is_first:
        yield waiting.combine_chunks()


def count_queries(width: int, *, tokens_per_batch: int, chunk: int) -> int:
    """Return P of a batch: its rows' positions and first items, in whole chunks."""
    n_rows = tokens_per_batch // width
    return -(-n_rows * (width + 1) // chunk) * chunk
