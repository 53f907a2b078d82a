"""Chunks of rows: tables of given sizes, slices."""

from itertools import cycle, repeat

import pyarrow as pa
import pytest

from two_tower.chunking import cut_tables, row_slices

SCHEMA = pa.schema({"user": pa.int32(), "items": pa.list_(pa.int32())})


def make_batches(*sizes):
    """Return batches of the given sizes; user u has u modulo 3 items."""
    first = 0
    for size in sizes:
        users = range(first, first + size)
        rows = [{"user": user, "items": [user] * (user % 3)} for user in users]
        yield pa.RecordBatch.from_pylist(rows, SCHEMA)
        first += size


@pytest.mark.parametrize("sizes", [(10,), (4, 4, 2), (1, 7, 2), (5, 5), (3, 0, 7)])
def test_tables_have_the_given_size_for_any_batches(sizes):
    tables = list(cut_tables(make_batches(*sizes), SCHEMA, repeat(4)))
    assert [table.num_rows for table in tables] == [4, 4, 2]
    rows = pa.concat_tables(tables)
    assert rows["user"].to_pylist() == list(range(10))
    assert rows["items"].to_pylist() == [[user] * (user % 3) for user in range(10)]


def test_tables_may_have_different_sizes():
    tables = cut_tables(make_batches(5, 5), SCHEMA, cycle([4, 1]))
    assert [table.num_rows for table in tables] == [4, 1, 4, 1]


def test_each_column_of_a_table_is_one_arrow_chunk():
    tables = cut_tables(make_batches(1, 1, 1, 1, 1), SCHEMA, repeat(3))
    assert [table["items"].num_chunks for table in tables] == [1, 1]


@pytest.mark.parametrize("sizes", [(), (0,)])
def test_no_rows_give_one_empty_table_with_all_columns(sizes):
    (table,) = cut_tables(make_batches(*sizes), SCHEMA, repeat(4))
    assert (table.num_rows, table.schema) == (0, SCHEMA)


def test_rows_are_cast_to_the_schema():
    wide = pa.schema({"user": pa.int64(), "items": pa.list_(pa.int64())})
    (table,) = cut_tables(make_batches(3), wide, repeat(4))
    assert table.schema == wide


@pytest.mark.parametrize(
    ("n_rows", "size", "expected"),
    [
        (5, 2, [(0, 2), (2, 4), (4, 5)]),
        (4, 2, [(0, 2), (2, 4)]),
        (2, 0, [(0, 1), (1, 2)]),
        (0, 2, []),
    ],
)
def test_slices_cover_the_rows(n_rows, size, expected):
    slices = row_slices(n_rows, size)
    assert [(rows.start, rows.stop) for rows in slices] == expected
