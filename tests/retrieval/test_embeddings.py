import pyarrow as pa
import pytest

from two_tower.retrieval.embeddings import plain_ids, read_item_vectors, vectors_of


def batch(item, item_id, vector, kind=None):
    vectors = pa.array(vector, kind or pa.list_(pa.float32()))
    arrays = [pa.array(item, pa.int32()), pa.array(item_id), vectors]
    return pa.RecordBatch.from_arrays(arrays, ["item", "item_id", "vector"])


def test_items_are_placed_by_their_dense_id_less_two():
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
        ([2, 2], "dense item id twice"),
        ([2, 4], r"dense item id 4; ids of 2 items go from 2 to 3"),
        ([1, 2], "dense item id 1"),
        ([2], "1 of 2 items"),
    ],
)
def test_dense_ids_with_gaps_or_repeats_are_refused(items, message):
    ids, vectors = list(range(len(items))), [[1.0, 0.0]] * len(items)
    with pytest.raises(ValueError, match=message):
        read_item_vectors([batch(items, ids, vectors)], 2)


def test_no_items_at_all_are_refused():
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
    assert vectors_of(column).tolist() == [[1, 2], [1, 2]]


def test_a_slice_of_a_column_gives_its_own_rows():
    column = pa.array([[1.0], [2.0], [3.0]], pa.list_(pa.float32()))
    assert vectors_of(column.slice(1, 1)).tolist() == [[2]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_ids_of_any_text_type_are_strings(kind):
    assert plain_ids(pa.array(["x"], kind)).type == pa.string()


@pytest.mark.parametrize(
    ("ids", "message"), [([1.5], "type double"), ([1, None], "1 of 2 ids are null")]
)
def test_ids_that_name_nothing_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        plain_ids(pa.array(ids))
