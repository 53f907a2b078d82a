"""Pieces of a given size, whatever sizes rows are handed over in."""

from itertools import cycle, repeat

import pyarrow as pa
import pytest

from two_tower.chunking import cut_tables, row_slices

SCHEMA = pa.schema({"user": pa.int32(), "items": pa.list_(pa.int32())})


def handed_over(*sizes):
    """Batches of these sizes; user u has u modulo 3 items."""
    first = 0
    for size in sizes:
        users = range(first, first + size)
        rows = [{"user": user, "items": [user] * (user % 3)} for user in users]
        yield pa.RecordBatch.from_pylist(rows, SCHEMA)
        first += size


@pytest.mark.parametrize("sizes", [(10,), (4, 4, 2), (1, 7, 2), (5, 5), (3, 0, 7)])
def test_pieces_have_their_size_whatever_is_handed_over(sizes):
    pieces = list(cut_tables(handed_over(*sizes), SCHEMA, repeat(4)))
    assert [piece.num_rows for piece in pieces] == [4, 4, 2]
    rows = pa.concat_tables(pieces)
    assert rows["user"].to_pylist() == list(range(10))
    assert rows["items"].to_pylist() == [[user] * (user % 3) for user in range(10)]


def test_pieces_may_differ_in_size():
    pieces = cut_tables(handed_over(5, 5), SCHEMA, cycle([4, 1]))
    assert [piece.num_rows for piece in pieces] == [4, 1, 4, 1]


def test_each_column_of_a_piece_lies_in_one_chunk():
    pieces = cut_tables(handed_over(1, 1, 1, 1, 1), SCHEMA, repeat(3))
    assert [piece["items"].num_chunks for piece in pieces] == [1, 1]


@pytest.mark.parametrize("sizes", [(), (0,)])
def test_no_row_gives_one_empty_piece_with_all_columns(sizes):
    (piece,) = cut_tables(handed_over(*sizes), SCHEMA, repeat(4))
    assert (piece.num_rows, piece.schema) == (0, SCHEMA)


def test_rows_are_cast_to_the_schema():
    wide = pa.schema({"user": pa.int64(), "items": pa.list_(pa.int64())})
    (piece,) = cut_tables(handed_over(3), wide, repeat(4))
    assert piece.schema == wide


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
