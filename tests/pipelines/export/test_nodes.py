"""Embeddings of untrained towers: their rows and order, not their quality."""

from dataclasses import replace

import ibis
import numpy as np
import pyarrow as pa
import pytest

from tests.training.fit_tiny import N_ITEMS, build_towers
from two_tower.features.registry import Features
from two_tower.lineage.records import LineageStore, Record
from two_tower.pipelines.export import nodes
from two_tower.pipelines.export.params import Chunks, QueryTowerParams

INT_LISTS = pa.list_(pa.int32())
SIZES = {
    "tokens_per_batch": 12,
    "bucket_boundaries": [2, 4],
    "average_users": 50,
    "seed": 1,
}
SMALL_CHUNKS = {"items": 3, "users": 2}

# Raw ids of item indices 2, 3, …; users by index, unordered, one without a history.
NUMBERS = [100 + i for i in range(N_ITEMS - 2)]
WORDS = [f"film {i}" for i in range(N_ITEMS - 2)]
DENSE = {5: [3, 4, 5], 2: [6], 4: [], 3: [9, 8, 7, 6, 5, 4], 6: [2, 2]}
NO_ITEM = Features(item=None, user=None)
VALUES = pa.table(
    {
        "entity": pa.array([], pa.string()),
        "feature": pa.array([], pa.string()),
        "value": pa.array([], pa.string()),
        "id": pa.array([], pa.int32()),
        "count": pa.array([], pa.int64()),
    }
)
RULES = {"kept_interactions": "selection", "split_interactions": "split"}
MADE = {"interactions": "d", "kept_interactions": "k", "split_interactions": "s"}
SCHEMA = {"item": {}, "user": {}, "n_items": N_ITEMS, "n_users": 7}


def parameters(**changes):
    return QueryTowerParams.model_validate(SIZES | changes)


def chunks(*, items=50, users=50):
    return Chunks(items=items, users=users)


def item_vocabulary(raw=NUMBERS):
    dense = np.arange(2, N_ITEMS, dtype=np.int32)
    columns = {"item": dense, "item_id": raw, "title": ["t"] * len(raw)}
    table = pa.table(columns | {"n_train": np.ones(len(raw), np.int64)})
    return ibis.memtable(table.take(pa.array(dense[::-1] - 2)))


def user_vocabulary():
    users = pa.array(list(DENSE), pa.int32())
    counts = pa.array([1] * len(DENSE), pa.int64())
    ids = [f"u{user}" for user in DENSE]
    return ibis.memtable(pa.table({"user": users, "user_id": ids, "n_train": counts}))


def events_of(users):
    """Return the times and ratings of the users' items; the first is not rated."""
    sizes = [range(len(DENSE[user])) for user in users]
    return {
        "timestamps": pa.array(
            [
                [9000 * user + 60 * i for i in size]
                for user, size in zip(users, sizes, strict=True)
            ],
            pa.list_(pa.int64()),
        ),
        "ratings": pa.array(
            [[i % 5 or None for i in size] for size in sizes], pa.list_(pa.float32())
        ),
    }


def histories(raw=NUMBERS, users=tuple(DENSE)):
    lists = [[raw[item - 2] for item in DENSE[user]] for user in users]
    columns = {
        "user_id": [f"u{user}" for user in users],
        "item_ids": pa.array(lists, pa.list_(pa.array(raw).type)),
    }
    return ibis.memtable(pa.table(columns | events_of(users)))


def examples_of(users=tuple(DENSE)):
    return ibis.memtable(
        pa.table(
            {
                "user": pa.array(users, pa.int32()),
                "user_id": pa.array([f"u{user}" for user in users], pa.string()),
                "items": pa.array([DENSE[user] for user in users], INT_LISTS),
                **events_of(users),
                "targets": pa.array([[2]] * len(users), INT_LISTS),
                "target_timestamps": pa.array(
                    [[9000 * user + 7200, 1] for user in users], pa.list_(pa.int64())
                ),
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
def lineage(tmp_path_factory):
    store = LineageStore(tmp_path_factory.mktemp("lineage"))
    parameters_ = {"training": {"epochs": 3}}
    store.write(
        "two_tower_model",
        Record("m", "node", "run", parameters_, {}, MADE, "kedro run", None),
    )
    for name, group in RULES.items():
        rule = {f"sequencing.{group}": {"of": group}}
        store.write(
            name, Record(MADE[name], "node", "run", rule, {}, {}, "kedro run", None)
        )
    return store


@pytest.fixture(scope="module")
def export_tower(lineage):
    """Return a function from towers to what is served."""

    def export(towers, raw=NUMBERS, **changes):
        return nodes.export_query_tower(
            towers,
            item_vocabulary(raw),
            user_vocabulary(),
            ibis.memtable(VALUES),
            SCHEMA,
            histories(raw),
            lineage,
            NO_ITEM,
            parameters(**changes),
        )

    return export


@pytest.fixture(scope="module")
def query_tower(towers, export_tower):
    return export_tower(towers)


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
def test_item_embeddings_are_unit_vectors_in_order_of_item_index(towers, query_tower):
    batches = nodes.export_item_embeddings(query_tower, chunks())
    table, vectors = table_of(batches)
    assert table["item"].to_pylist() == list(range(2, N_ITEMS))
    assert table["item_id"].to_pylist() == NUMBERS
    assert table.schema.field("item").type == pa.int32()
    assert table.schema.field("vector").type == pa.list_(pa.float32())
    own = np.asarray(towers.item_tower.table.value)[2:]
    expected = own / np.linalg.norm(own, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)


def test_user_embeddings_are_made_of_whole_histories(towers, query_tower):
    batches = nodes.export_user_embeddings(
        query_tower, histories(), user_vocabulary(), chunks()
    )
    table, vectors = table_of(batches)
    assert table.column_names == ["user", "user_id", "vector_index", "vector"]
    assert table["vector_index"].to_pylist() == [0] * 5
    assert table.schema.field("vector_index").type == pa.int32()
    assert table["user"].to_pylist() == [2, 3, 4, 5, 6]
    assert table["user_id"].to_pylist() == ["u2", "u3", "u4", "u5", "u6"]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors, expected_queries(towers), rtol=1e-4, atol=1e-5)


def test_a_user_without_interactions_gets_the_vector_of_no_history(towers, query_tower):
    _, with_empty_list = table_of(
        nodes.export_user_embeddings(
            query_tower, histories(), user_vocabulary(), chunks()
        )
    )
    _, without_row = table_of(
        nodes.export_user_embeddings(
            query_tower, histories(users=(5, 2, 3, 6)), user_vocabulary(), chunks()
        )
    )
    np.testing.assert_array_equal(with_empty_list, without_row)
    no_history = np.asarray(towers.no_history.value)
    expected = no_history / np.linalg.norm(no_history)
    np.testing.assert_allclose(without_row[2], expected, rtol=1e-5)


def test_test_queries_are_made_of_the_items_of_the_examples(towers, query_tower):
    batches = nodes.export_test_queries(query_tower, examples_of(), chunks())
    table, vectors = table_of(batches)
    columns = ["user", "user_id", "asked_at", "vector_index", "vector"]
    assert table.column_names == columns
    assert table["asked_at"].null_count == 5
    assert table.schema.field("asked_at").type == pa.int64()
    assert table["vector_index"].to_pylist() == [0] * 5
    assert table.schema.field("vector_index").type == pa.int32()
    assert table["user"].to_pylist() == [2, 3, 4, 5, 6]
    np.testing.assert_allclose(vectors, expected_queries(towers), rtol=1e-4, atol=1e-5)


# covers: N7
def test_ids_may_be_strings(towers, export_tower):
    by_name = export_tower(towers, WORDS)
    _, vectors = table_of(
        nodes.export_user_embeddings(
            by_name, histories(WORDS), user_vocabulary(), chunks()
        )
    )
    np.testing.assert_allclose(vectors, expected_queries(towers), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("what", ["items", "users", "queries"])
def test_the_chunk_size_changes_nothing(what, query_tower):
    def export(**changes):
        sizes = chunks(**changes)
        match what:
            case "items":
                found = nodes.export_item_embeddings(query_tower, sizes)
            case "users":
                found = nodes.export_user_embeddings(
                    query_tower, histories(), user_vocabulary(), sizes
                )
            case _:
                found = nodes.export_test_queries(query_tower, examples_of(), sizes)
        return list(found)

    small, whole = export(**SMALL_CHUNKS), export()
    assert len(small) > len(whole) == 1
    assert len({chunk.num_rows for chunk in small[:-1]}) == 1
    (one, one_vectors), (other, other_vectors) = table_of(small), table_of(whole)
    assert one.drop(["vector"]) == other.drop(["vector"])
    np.testing.assert_allclose(one_vectors, other_vectors, rtol=1e-5, atol=1e-6)


def test_no_example_gives_an_empty_table_of_the_same_columns(query_tower):
    no_user = examples_of(users=())
    (batch,) = nodes.export_test_queries(query_tower, no_user, chunks())
    assert batch.num_rows == 0
    assert batch.schema.field("vector").type == pa.list_(pa.float32())


@pytest.mark.parametrize(
    ("given", "kept"), [([2], [2, 4]), ([2, 4], [2, 4]), ([3, 50], [3, 4])]
)
def test_towers_read_as_many_items_as_in_training(given, kept, towers, export_tower):
    tower = export_tower(towers, bucket_boundaries=given, tokens_per_batch=50)
    assert tower.bucket_boundaries == kept


# covers: L8
def test_towers_without_histories_are_exported(export_tower):
    tower = export_tower(build_towers("profile"))
    assert tower.bucket_boundaries == [1]
    _, vectors = table_of(
        nodes.export_user_embeddings(tower, histories(), user_vocabulary(), chunks())
    )
    own = np.asarray(tower.towers.profile(np.arange(2, 7)))
    expected = own / np.linalg.norm(own, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)


def test_a_refitted_tower_encodes_no_test_query(query_tower):
    refitted = replace(query_tower, origin=query_tower.origin | {"refit": {}})
    with pytest.raises(ValueError, match="refitted on all interactions, test ones"):
        nodes.export_test_queries(refitted, examples_of(), chunks())


# covers: X9
def test_the_query_tower_keeps_its_origin(query_tower):
    assert query_tower.origin == {
        "fingerprints": MADE | {"two_tower_model": "m"},
        "parameters": {"training": {"epochs": 3}},
        "rules": {
            "sequencing.selection": {"of": "selection"},
            "sequencing.split": {"of": "split"},
        },
    }


# covers: L30
def test_the_average_query_is_made_of_a_sample_of_users(
    towers, export_tower, query_tower
):
    mean = expected_queries(towers).mean(axis=0)
    expected = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(
        query_tower.average_query, expected, rtol=1e-4, atol=1e-5
    )
    one = export_tower(towers, average_users=1).average_query
    distances = np.abs(expected_queries(towers) - one).max(axis=1)
    assert (distances < 1e-4).sum() == 1


# covers: L30
def test_the_cold_start_queries_are_those_of_the_query_tower(query_tower):
    found = nodes.export_cold_queries(query_tower)
    for policy in ("learned", "average"):
        expected = query_tower.cold_start_query(policy)
        np.testing.assert_array_equal(np.float32(found[policy]), expected)


# covers: L12
def test_towers_that_do_not_normalise_export_unit_vectors_of_one_more_dimension(
    export_tower,
):
    tower = export_tower(build_towers("mean", max_length=4, normalise=False))
    _, items = table_of(nodes.export_item_embeddings(tower, chunks()))
    _, users = table_of(
        nodes.export_user_embeddings(tower, histories(), user_vocabulary(), chunks())
    )
    for vectors in (items, users):
        assert vectors.shape[1] == 9
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    raw = np.asarray(tower.towers.item_tower.table)[2:].astype(np.float64)
    expected = np.linalg.norm(raw, axis=1) / np.linalg.norm(raw, axis=1).max()
    found = np.linalg.norm(items[:, :8].astype(np.float64), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
