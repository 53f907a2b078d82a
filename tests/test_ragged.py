import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from two_tower.ragged import Ragged


def lists(ragged):
    bounds = zip(ragged.offsets[:-1], ragged.offsets[1:], strict=True)
    return [ragged.values[start:stop].tolist() for start, stop in bounds]


def test_rows_are_those_of_the_lists():
    rows = [[3, 1], [], [2]]
    ragged = Ragged.from_lists(rows)
    assert lists(ragged) == rows
    assert len(ragged) == 3
    assert ragged.lengths.tolist() == [2, 0, 1]
    assert ragged.rows.tolist() == [0, 0, 2]


def test_no_rows_have_no_values():
    ragged = Ragged.from_lists([])
    assert len(ragged) == 0
    assert ragged.values.dtype == np.int32
    assert len(ragged.take([])) == 0


def test_rows_are_taken_in_any_order_and_repeatedly():
    ragged = Ragged.from_lists([[3, 1], [], [2], [7, 8, 9]])
    assert lists(ragged.take([3, 1, 0, 3])) == [[7, 8, 9], [], [3, 1], [7, 8, 9]]


def test_rows_are_joined_one_by_one():
    ragged = Ragged.from_lists([[3, 1], [], [2]])
    other = Ragged.from_lists([[5], [3, 1], []])
    assert lists(ragged.join(other)) == [[3, 1, 5], [3, 1], [2]]
    assert lists(other.join(ragged)) == [[5, 3, 1], [3, 1], [2]]


def test_a_mask_keeps_values():
    ragged = Ragged.from_lists([[3, 1], [], [2], [7, 8, 9]])
    assert lists(ragged.keep(ragged.values > 2)) == [[3], [], [], [7, 8, 9]]


def test_repeats_within_a_row_are_removed():
    ragged = Ragged.from_lists([[5, -1, 5], [], [5, 7, 7, 5]])
    assert lists(ragged.distinct()) == [[5, -1], [], [5, 7]]
    assert lists(Ragged.from_lists([[], []]).distinct()) == [[], []]


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_arrow_columns_are_read_complete_sliced_or_in_chunks(kind):
    column = pa.array([[1], [2, 3], [], [4]], kind(pa.int64()))
    chunks = pa.chunked_array([column.slice(1, 2), column.slice(3)])
    assert lists(Ragged.from_arrow(column)) == [[1], [2, 3], [], [4]]
    assert lists(Ragged.from_arrow(column.slice(1))) == [[2, 3], [], [4]]
    assert lists(Ragged.from_arrow(chunks)) == [[2, 3], [], [4]]
    assert Ragged.from_arrow(column).values.dtype == np.int64


@pytest.mark.parametrize("rows", [[[1], None], [[1, None]]])
def test_nulls_are_refused(rows):
    with pytest.raises(ValueError, match="1 nulls"):
        Ragged.from_arrow(pa.array(rows, pa.list_(pa.int32())))


def test_padding_is_at_the_end_and_the_last_values_stay():
    ragged = Ragged.from_lists([[3, 1], [], [2], [7, 8, 9]])
    assert ragged.pad(2).tolist() == [[3, 1], [0, 0], [2, 0], [8, 9]]
    assert ragged.pad(4).tolist() == [
        [3, 1, 0, 0],
        [0, 0, 0, 0],
        [2, 0, 0, 0],
        [7, 8, 9, 0],
    ]


def test_padded_rows_keep_the_type_of_their_values():
    assert Ragged.from_lists([[1]]).pad(2).dtype == np.int32
    assert Ragged.from_lists([[0.5]], float).pad(1).tolist() == [[0.5]]
    assert Ragged.from_lists([]).pad(3).shape == (0, 3)


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), max_size=5), st.integers(1, 7))
def test_every_padded_row_is_the_end_of_its_list(rows, width):
    padded = Ragged.from_lists(rows).pad(width)
    assert padded.shape == (len(rows), width)
    for row, found in zip(rows, padded.tolist(), strict=True):
        newest = row[-width:]
        assert found == newest + [0] * (width - len(newest))
