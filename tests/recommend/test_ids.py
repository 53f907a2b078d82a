import ibis
import pyarrow as pa
import pytest

from two_tower.index.base import NO_ITEM
from two_tower.recommend.ids import IdLookup, ids_of_type, rows_of_ids

LOOKUP = IdLookup(pa.array(["c", "a", "b"]), what="items", where="the index")
USERS = ibis.memtable(pa.table({"user_id": [7, 42, 8], "n": [1, 2, 3]}))


@pytest.mark.parametrize(
    "as_ids", [list, pa.array, lambda ids: pa.chunked_array([ids])]
)
def test_ids_are_found_by_their_index_in_the_list(as_ids):
    assert LOOKUP.find(as_ids(["b", "zz", "c"])).tolist() == [2, NO_ITEM, 0]


def test_no_ids_have_no_indices():
    assert LOOKUP.find([]).shape == (0,)


# covers: L29
def test_required_ids_that_the_list_lacks_are_named():
    assert LOOKUP.require(["a", "a"]).tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"2 of 3 items .* 3 of the index.*\['x', 7\]"):
        LOOKUP.require(["a", "x", 7])


def test_rows_are_found_by_ids_as_text():
    rows, missing = rows_of_ids(USERS, "user_id", ["42", 9, 7, "9", "x"])
    assert sorted(rows.n.to_pyarrow().to_pylist()) == [1, 2]
    assert missing == ["9", "x"]


def test_ids_are_converted_to_the_type_of_the_data():
    assert ids_of_type(["42", -7], pa.int64(), parameter="p").to_pylist() == [42, -7]
    assert ids_of_type([42, "x"], pa.string(), parameter="p").to_pylist() == ["42", "x"]
    with pytest.raises(ValueError, match=r"p names \['x'\], but .* are whole numbers"):
        ids_of_type([42, "x"], pa.int64(), parameter="p")
