import logging

import ibis
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from tests.index.fabricate import unit_vectors
from two_tower.index.bundle_files import write_bundle
from two_tower.lineage.records import LineageStore, Record
from two_tower.pipelines.indexing.nodes import (
    build_item_index,
    find_origin,
    sample_queries,
)
from two_tower.pipelines.indexing.params import Indexing

SETTINGS = {
    "recall_k": 10,
    "recall_target": 0.9,
    "sample_users": 20,
    "golden_users": 4,
    "seed": 3,
}
ANNOY = {"n_trees": [1, 8], "search_k": [10, 500]}


def parameters(kind="annoy", annoy=ANNOY, **changes):
    index = {"kind": kind, "annoy": annoy}
    return Indexing.model_validate({"index": index} | SETTINGS | changes)


def embeddings(entity, vectors):
    """Return `item` or `user` (from 2), its raw id (x2, x3, …) and the vector.

    Users may have several vectors, `[n, V, D]`.
    """
    n_vectors = vectors.shape[1] if vectors.ndim == 3 else 1
    dense = np.repeat(np.arange(2, len(vectors) + 2, dtype=np.int32), n_vectors)
    flat = vectors.reshape(-1, vectors.shape[-1]).tolist()
    columns = {
        entity: dense,
        f"{entity}_id": [f"x{i}" for i in dense],
        "vector": pa.array(flat, pa.list_(pa.float32())),
    }
    if entity == "user":
        index = np.arange(n_vectors, dtype=np.int32)
        columns["vector_index"] = np.tile(index, len(vectors))
    return ibis.memtable(pa.table(columns))


@pytest.fixture
def lineage(tmp_path):
    store = LineageStore(tmp_path / "lineage")
    origin = {"interactions": "d", "two_tower_model": "m", "items": "i"}
    store.write(
        "item_embeddings", Record("e", "node", "run", {}, {}, origin, "kedro run", None)
    )
    return store


@pytest.fixture
def build(lineage):
    items = embeddings("item", unit_vectors(400))
    users = embeddings("user", unit_vectors(50, seed=1))
    return lambda *kind, **changes: build_item_index(
        items, users, lineage, parameters(*kind, **changes)
    )


# covers: N15 N16 X5 X9
def test_the_index_meets_its_target_and_keeps_its_fingerprints(build):
    bundle, report = build()
    assert bundle.item_ids.to_pylist() == [f"x{i}" for i in range(2, 402)]
    np.testing.assert_allclose(bundle.vectors, unit_vectors(400), rtol=1e-6)
    assert report["recall@10"] == bundle.recall.value >= 0.9
    assert bundle.golden.queries.shape == (4, 8)
    assert bundle.fingerprints == {
        "interactions": "d",
        "two_tower_model": "m",
        "item_embeddings": "e",
    }


def test_newer_data_and_models_are_not_the_origin_of_the_embeddings(lineage):
    for name in ("interactions", "two_tower_model"):
        lineage.write(
            name, Record("newer", "node", "run", {}, {}, {}, "kedro run", None)
        )
    origin = find_origin(lineage)
    assert (origin["interactions"], origin["two_tower_model"]) == ("d", "m")


def test_embeddings_without_a_lineage_record_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no lineage record: .* run: .* export"):
        find_origin(LineageStore(tmp_path))


def test_the_report_shows_recall_against_search_effort(build):
    _, report = build(recall_target=1.0, annoy={"n_trees": 4, "search_k": [10, 5000]})
    poor, whole = report["trials"]
    assert (poor["n_trees"], poor["search_k"]) == (4, 10)
    assert poor["recall@10"] < whole["recall@10"] == 1.0
    assert (report["n_trees"], report["search_k"]) == (4, 5000)
    assert (report["backend"], report["n_items"]) == ("annoy", 400)
    assert report["vector_bytes"] == 400 * 8 * 4
    assert report["build_seconds"] > 0


def test_the_exact_back_end_has_nothing_to_tune(build):
    bundle, report = build("exact", recall_target=1.0)
    assert bundle.backend == report["backend"] == "exact"
    assert report["recall@10"] == 1.0
    assert "n_trees" not in report


# covers: X5
def test_a_fixed_setting_that_misses_the_target_fails(build):
    with pytest.raises(ValueError, match=r"recall@10 of 0\.\d+ .* below .* 1 settings"):
        build(recall_target=1.0, annoy={"n_trees": 1, "search_k": 10})


def test_a_recall_of_more_than_all_items_is_measured_on_all_of_them(build):
    _, report = build("exact", recall_k=10**9)
    assert report["recall@400"] == 1.0


# covers: X12
def test_a_seed_always_gives_the_same_bytes(build, tmp_path):
    contents = []
    for name in "ab":
        (tmp_path / name).mkdir()
        write_bundle(build()[0], tmp_path / name)
        contents.append([f.read_bytes() for f in sorted((tmp_path / name).iterdir())])
    assert contents[0] == contents[1]


def test_a_catalogue_smaller_than_k_is_indexed(lineage):
    items, users = embeddings("item", unit_vectors(5)), embeddings("user", np.eye(8))
    bundle, report = build_item_index(items, users, lineage, parameters())
    assert (bundle.n_items, report["recall@5"]) == (5, 1.0)


def test_item_vectors_that_are_not_of_length_one_are_refused(lineage):
    vectors = unit_vectors(5)
    vectors[3] *= 2
    items, users = embeddings("item", vectors), embeddings("user", np.eye(8))
    with pytest.raises(ValueError, match=r"1 of 5 item vectors.*row 3, length 2\)"):
        build_item_index(items, users, lineage, parameters())


def test_the_sample_depends_on_the_seed_and_is_ordered_by_user():
    users = embeddings("user", np.arange(1, 101).reshape(100, 1))
    one, again = (sample_queries(users, parameters()) for _ in range(2))
    other = sample_queries(users, parameters(seed=4))
    assert one.shape == (20, 1, 1)
    assert one.tolist() == again.tolist() == sorted(one.tolist())
    assert one.tolist() != other.tolist()


def test_fewer_users_than_the_sample_are_all_taken():
    users = embeddings("user", np.eye(3))
    found = sample_queries(users, parameters())
    assert found.tolist() == np.eye(3)[:, np.newaxis].tolist()


# covers: X5 X6
def test_users_are_sampled_with_all_vectors_and_each_vector_is_a_query(lineage):
    vectors = unit_vectors(90, seed=1).reshape(30, 3, 8)
    users = embeddings("user", vectors).order_by(ibis.desc("user"))
    sample = sample_queries(users, parameters())
    plain = sample_queries(embeddings("user", vectors[:, 0]), parameters())
    assert sample.shape == (20, 3, 8)
    # The users that a model of one vector samples, with all their vectors.
    np.testing.assert_array_equal(sample[:, 0], plain[:, 0])
    items = embeddings("item", unit_vectors(400))
    bundle, report = build_item_index(items, users, lineage, parameters())
    assert (report["sample_users"], report["n_queries"]) == (20, 60)
    assert bundle.recall.n_queries == 60
    np.testing.assert_array_equal(bundle.golden.queries, sample[:4].reshape(12, 8))


def test_a_sampled_user_who_lacks_a_vector_is_refused():
    users = embeddings("user", unit_vectors(6).reshape(3, 2, 8))
    fewer = users.filter((ibis._.user != 3) | (ibis._.vector_index == 0))
    with pytest.raises(ValueError, match=r"1 of 3 users .*'x3'"):
        sample_queries(fewer, parameters())


def test_no_users_are_refused():
    with pytest.raises(ValueError, match="user_embeddings is empty"):
        sample_queries(embeddings("user", np.empty((0, 3))), parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recall_target": 1.1}, "recall_target"),
        ({"kind": "faiss"}, "'faiss'; choose one of annoy, exact"),
        ({"annoy": {"n_trees": [], "search_k": 9}}, "n_trees"),
        ({"annoy": {"n_trees": 0, "search_k": 9}}, "n_trees"),
        ({"n_trees": 5}, "Extra inputs"),
    ],
)
def test_parameters_out_of_range_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        parameters(**changes)


def test_embeddings_with_added_items_come_from_the_deployed_tower(tmp_path):
    store = LineageStore(tmp_path)
    origin = {"deployed_query_tower": "v-1", "query_tower": "q", "items": "i"}
    store.write(
        "item_embeddings", Record("e", "node", "run", {}, {}, origin, "kedro run", None)
    )
    assert find_origin(store) == {
        "deployed_query_tower": "v-1",
        "query_tower": "q",
        "item_embeddings": "e",
    }


@pytest.mark.parametrize(
    ("vectors", "line"),
    [
        (unit_vectors(30, seed=1), "on 20 users, after"),
        (
            unit_vectors(90, seed=1).reshape(30, 3, 8),
            "on 60 vectors of 20 users, after",
        ),
    ],
)
def test_the_log_counts_vectors_where_users_have_several(
    vectors, line, lineage, caplog
):
    caplog.set_level(logging.INFO)
    items, users = embeddings("item", unit_vectors(40)), embeddings("user", vectors)
    build_item_index(items, users, lineage, parameters())
    assert line in caplog.text


def test_vectors_of_an_earlier_version_are_refused():
    users = embeddings("user", np.eye(3)).drop("vector_index")
    with pytest.raises(ValueError, match="exported by an earlier version"):
        sample_queries(users, parameters())
