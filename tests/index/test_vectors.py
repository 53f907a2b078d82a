import ibis
import pyarrow as pa
import pytest

from two_tower.index.vectors import (
    count_vectors,
    group_by_user,
    plain_ids,
    read_item_vectors,
    read_user_vectors,
    stack_vectors,
)


def batch(item, item_id, vector, kind=None):
    vectors = pa.array(vector, kind or pa.list_(pa.float32()))
    arrays = [pa.array(item, pa.int32()), pa.array(item_id), vectors]
    return pa.RecordBatch.from_arrays(arrays, ["item", "item_id", "vector"])


def test_items_are_in_order_of_their_vocabulary_index():
    batches = [
        batch([4, 2], ["c", "a"], [[5, 6], [1, 2]]),
        batch([3], ["b"], [[3, 4]]),
    ]
    items = read_item_vectors(batches, 3)
    assert items.item_ids.to_pylist() == ["a", "b", "c"]
    assert items.vectors.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert items.vectors.dtype == "float32"


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([2, 2], "item index twice"),
        ([2, 4], r"item index 4; the indices of 2 items are 2 to 3"),
        ([1, 2], "item index 1;"),
        ([2], "1 of 2 items"),
    ],
)
def test_item_indices_with_gaps_or_repeats_are_refused(items, message):
    ids, vectors = list(range(len(items))), [[1.0, 0.0]] * len(items)
    with pytest.raises(ValueError, match=message):
        read_item_vectors([batch(items, ids, vectors)], 2)


def test_a_table_without_items_is_refused():
    with pytest.raises(ValueError, match="0 of 0 items"):
        read_item_vectors([], 0)


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="between 1 and 2 dimensions"):
        read_item_vectors([batch([2, 3], [0, 1], [[1.0], [1.0, 0.0]])], 2)
    two = [batch([2], [0], [[1.0]]), batch([3], [1], [[1.0, 0.0]])]
    with pytest.raises(ValueError, match="of 1 and of 2 dimensions"):
        read_item_vectors(two, 2)


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.list_(pa.float32(), 2)])
def test_any_list_of_floats_is_a_vector(kind):
    column = pa.chunked_array([pa.array([[1.0, 2.0]], kind)] * 2)
    assert stack_vectors(column).tolist() == [[1, 2], [1, 2]]


def test_a_slice_of_a_column_gives_its_own_rows():
    column = pa.array([[1.0], [2.0], [3.0]], pa.list_(pa.float32()))
    assert stack_vectors(column.slice(1, 1)).tolist() == [[2]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_ids_of_any_text_type_are_strings(kind):
    assert plain_ids(pa.array(["x"], kind)).type == pa.string()


@pytest.mark.parametrize(
    ("ids", "message"), [([1.5], "type double"), ([1, None], "1 of 2 ids are null")]
)
def test_ids_that_name_nothing_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        plain_ids(pa.array(ids))


def queries(*rows):
    """A table of (user, vector_index, vector); the raw id of user 2 is "u2"."""
    user, index, vector = zip(*rows, strict=True)
    columns = {
        "user": pa.array(user, pa.int32()),
        "user_id": [f"u{one}" for one in user],
        "vector_index": pa.array(index, pa.int32()),
        "vector": pa.array(vector, pa.list_(pa.float32())),
    }
    return ibis.memtable(pa.table(columns))


def test_the_vectors_of_a_user_stand_together_by_their_index():
    table = queries((5, 1, [4, 4]), (2, 1, [2, 2]), (5, 0, [3, 3]), (2, 0, [1, 1]))
    found = read_user_vectors(table)
    assert found.users.tolist() == [2, 5]
    assert found.user_ids.to_pylist() == ["u2", "u5"]
    assert found.vectors.tolist() == [[[1, 1], [2, 2]], [[3, 3], [4, 4]]]
    assert found.vectors.dtype == "float32"
    assert count_vectors(table) == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(2, 0), (2, 1), (5, 0)], r"1 of 2 users .*0 to 1, .*'u5'.* are \[0\]\)"),
        ([(2, 0), (2, 2), (5, 0), (5, 1), (5, 2)], r"1 of 2 .*'u2'.* \[0, 2\]\)"),
        ([(2, 0), (2, 0), (5, 0)], r"1 of 2 .*0 to 0, .*'u2'.* \[0, 0\]\)"),
        (
            [(2, 1), (5, 1)],
            r"2 of 2 .*'u2'.* \[1\]\).* run: kedro run --pipelines export",
        ),
    ],
)
def test_a_user_with_another_number_of_vectors_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        read_user_vectors(queries(*((*row, [1.0, 0.0]) for row in rows)))


def test_a_table_without_users_has_no_vectors():
    table = queries((2, 0, [1.0])).filter(ibis._.user > 2)
    assert read_user_vectors(table).vectors.shape[:2] == (0, 1)
    assert count_vectors(table) == 1


@pytest.mark.parametrize("read", [read_user_vectors, count_vectors])
def test_a_table_of_an_earlier_version_is_refused(read):
    rows = {"user": [2], "user_id": ["a"], "vector": [[1.0]]}
    with pytest.raises(ValueError, match=r"no column vector_index.*earlier version"):
        read(ibis.memtable(pa.table(rows)))


def test_the_number_of_vectors_may_be_given():
    columns = {"user": [2], "user_id": ["a"], "vector_index": [0], "vector": [[1.0]]}
    rows = pa.table(columns)
    assert group_by_user(rows).vectors.shape == (1, 1, 1)
    with pytest.raises(ValueError, match="1 of 1 users do not have the vectors 0 to 1"):
        group_by_user(rows, 2)
