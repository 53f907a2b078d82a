"""Embeddings of towers as they were born: what they are of, not how good they are."""

import ibis
import numpy as np
import pyarrow as pa
import pytest

from tests.fitting.tiny import N_ITEMS, build_towers
from two_tower.pipelines.export import nodes
from two_tower.pipelines.export.params import Export

INT_LISTS = pa.list_(pa.int32())
SIZES = {"items_per_piece": 50, "users_per_piece": 50, "slots": 12, "buckets": [2, 4]}
SMALL_PIECES = {"items_per_piece": 3, "users_per_piece": 2}

# Raw ids of dense ids 2, 3, …; users in no order, one of them without a history.
NUMBERS = [100 + i for i in range(N_ITEMS - 2)]
WORDS = [f"film {i}" for i in range(N_ITEMS - 2)]
DENSE = {7: [3, 4, 5], 2: [6], 5: [], 3: [9, 8, 7, 6, 5, 4], 9: [2, 2]}


def parameters(**changes):
    return Export.model_validate(SIZES | changes)


def item_vocabulary(raw=NUMBERS):
    dense = np.arange(2, N_ITEMS, dtype=np.int32)
    table = pa.table({"item": dense, "item_id": raw})
    return ibis.memtable(table.take(pa.array(dense[::-1] - 2)))


def user_vocabulary():
    users = pa.array(list(DENSE), pa.int32())
    return ibis.memtable(
        pa.table({"user": users, "user_id": [f"u{user}" for user in DENSE]})
    )


def histories(raw=NUMBERS, users=tuple(DENSE)):
    lists = [[raw[item - 2] for item in DENSE[user]] for user in users]
    column = pa.array(lists, pa.list_(pa.array(raw).type))
    return ibis.memtable(
        pa.table({"user_id": [f"u{user}" for user in users], "item_ids": column})
    )


def examples_of(users=tuple(DENSE)):
    return ibis.memtable(
        pa.table(
            {
                "user": pa.array(users, pa.int32()),
                "user_id": pa.array([f"u{user}" for user in users], pa.string()),
                "items": pa.array([DENSE[user] for user in users], INT_LISTS),
                "targets": pa.array([[2]] * len(users), INT_LISTS),
            }
        )
    )


def table_of(batches):
    table = pa.Table.from_batches(list(batches))
    return table, np.array(table["vector"].to_pylist(), np.float32)


@pytest.fixture(scope="module")
def towers():
    return build_towers("transformer", max_length=4)


@pytest.fixture(scope="module")
def query_tower(towers):
    return nodes.export_query_tower(towers, item_vocabulary(), parameters())


def expected_query(towers, items):
    """Return the query vector of one history, alone in its batch."""
    newest = items[-4:]  # as many as the tower was trained on
    padded = np.zeros((1, 4), np.int32)
    padded[0, : len(newest)] = newest
    batch = {"items": padded, "lengths": np.int32([len(newest)])}
    return np.asarray(towers(batch))[0]


def expected_queries(towers):
    return np.stack([expected_query(towers, DENSE[user]) for user in sorted(DENSE)])


# covers: L12 X11
def test_item_embeddings_are_unit_vectors_in_the_order_of_dense_ids(towers):
    batches = nodes.export_item_embeddings(towers, item_vocabulary(), parameters())
    table, vectors = table_of(batches)
    assert table["item"].to_pylist() == list(range(2, N_ITEMS))
    assert table["item_id"].to_pylist() == NUMBERS
    assert table.schema.field("item").type == pa.int32()
    assert table.schema.field("vector").type == pa.list_(pa.float32())
    own = np.asarray(towers.item_tower.table.value)[2:]
    expected = own / np.linalg.norm(own, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)


def test_user_embeddings_are_of_whole_histories(towers, query_tower):
    batches = nodes.export_user_embeddings(
        query_tower, histories(), user_vocabulary(), parameters()
    )
    table, vectors = table_of(batches)
    assert table.column_names == ["user", "user_id", "vector"]
    assert table["user"].to_pylist() == [2, 3, 5, 7, 9]
    assert table["user_id"].to_pylist() == ["u2", "u3", "u5", "u7", "u9"]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors, expected_queries(towers), rtol=1e-4, atol=1e-5)


def test_a_user_without_interactions_gets_the_vector_of_no_history(towers, query_tower):
    _, with_empty_list = table_of(
        nodes.export_user_embeddings(
            query_tower, histories(), user_vocabulary(), parameters()
        )
    )
    _, without_row = table_of(
        nodes.export_user_embeddings(
            query_tower, histories(users=(7, 2, 3, 9)), user_vocabulary(), parameters()
        )
    )
    np.testing.assert_array_equal(with_empty_list, without_row)
    no_history = np.asarray(towers.no_history.value)
    expected = no_history / np.linalg.norm(no_history)
    np.testing.assert_allclose(without_row[2], expected, rtol=1e-5)


def test_test_queries_are_of_the_examples_items(towers, query_tower):
    batches = nodes.export_test_queries(query_tower, examples_of(), parameters())
    table, vectors = table_of(batches)
    assert table.column_names == ["user", "user_id", "vector"]
    assert table["user"].to_pylist() == [2, 3, 5, 7, 9]
    np.testing.assert_allclose(vectors, expected_queries(towers), rtol=1e-4, atol=1e-5)


# covers: N7
def test_ids_may_be_strings(towers):
    by_name = nodes.export_query_tower(towers, item_vocabulary(WORDS), parameters())
    _, vectors = table_of(
        nodes.export_user_embeddings(
            by_name, histories(WORDS), user_vocabulary(), parameters()
        )
    )
    np.testing.assert_allclose(vectors, expected_queries(towers), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("what", ["items", "users", "queries"])
def test_the_size_of_the_pieces_changes_nothing(what, towers, query_tower):
    def export(**changes):
        asked = parameters(**changes)
        match what:
            case "items":
                found = nodes.export_item_embeddings(towers, item_vocabulary(), asked)
            case "users":
                found = nodes.export_user_embeddings(
                    query_tower, histories(), user_vocabulary(), asked
                )
            case _:
                found = nodes.export_test_queries(query_tower, examples_of(), asked)
        return list(found)

    pieces, whole = export(**SMALL_PIECES), export()
    assert len(pieces) > len(whole) == 1
    assert [piece.num_rows for piece in pieces[:-1]] == [pieces[0].num_rows] * (
        len(pieces) - 1
    )
    (one, one_vectors), (other, other_vectors) = table_of(pieces), table_of(whole)
    assert one.drop(["vector"]) == other.drop(["vector"])
    np.testing.assert_allclose(one_vectors, other_vectors, rtol=1e-5, atol=1e-6)


def test_no_example_gives_an_empty_table_of_the_same_columns(query_tower):
    nobody = examples_of(users=())
    (batch,) = nodes.export_test_queries(query_tower, nobody, parameters())
    assert batch.num_rows == 0
    assert batch.schema.field("vector").type == pa.list_(pa.float32())


@pytest.mark.parametrize(
    ("buckets", "edges"), [([2], [2, 4]), ([2, 4], [2, 4]), ([3, 50], [3, 4])]
)
def test_as_much_of_a_history_counts_as_in_training(buckets, edges, towers):
    asked = parameters(buckets=buckets, slots=50)
    tower = nodes.export_query_tower(towers, item_vocabulary(), asked)
    assert tower.edges == edges
