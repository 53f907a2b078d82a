"""Tables of towers that read events and have several vectors per user."""

import ibis
import numpy as np
import pyarrow as pa
import pytest

from tests.pipelines.export.test_nodes import chunks
from tests.serving.build import make_query_tower
from two_tower.pipelines.export import nodes
from two_tower.ragged import Ragged
from two_tower.serving.requests import RequestEvents
from two_tower.towers.events import UNKNOWN_TIME, Events

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
USERS = [20, 10, 30]  # of user indices 3, 2 and 4
ITEMS = [["a", "b", "c"], ["d"], []]
INDICES = [[2, 3, 4], [5], []]
TIMES = [[10, 7200, 90_000], [50], []]
RATINGS = [[1.0, None, 5.0], [None], []]


def column(rows, dtype):
    return pa.array(rows, pa.list_(dtype))


EVENTS = {
    "timestamps": column(TIMES, pa.int64()),
    "ratings": column(RATINGS, pa.float32()),
}


def user_vocabulary():
    users = {"user": pa.array([3, 2, 4], pa.int32()), "user_id": USERS}
    return ibis.memtable(pa.table(users))


def histories(n_users=2):
    columns = {"user_id": USERS, "item_ids": column(ITEMS, pa.string())} | EVENTS
    return ibis.memtable(pa.table(columns).slice(0, n_users))


def examples(asked_at=(90_100, 51, 7)):
    columns = {
        "user": pa.array([3, 2, 4], pa.int32()),
        "user_id": USERS,
        "items": column(INDICES, pa.int32()),
        **EVENTS,
        "targets": column([[7, 6]] * 3, pa.int32()),
        "target_timestamps": column([[at, 10**9] for at in asked_at], pa.int64()),
    }
    return ibis.memtable(pa.table(columns))


@pytest.fixture(scope="module", params=[1, 2])
def tower(request):
    return make_query_tower(sides="events", n_vectors=request.param)


def vectors_of(batches, n_vectors):
    """Return `[users, V, D]`, in a table that must be in order."""
    table = pa.Table.from_batches(list(batches))
    columns = [name for name in table.column_names if name != "asked_at"]
    assert columns == ["user", "user_id", "vector_index", "vector"]
    assert table.schema.field("vector_index").type == pa.int32()
    assert table.schema.field("vector").type == pa.list_(pa.float32())
    assert table["user"].to_pylist() == np.repeat([2, 3, 4], n_vectors).tolist()
    assert table["user_id"].to_pylist() == np.repeat([10, 20, 30], n_vectors).tolist()
    assert table["vector_index"].to_pylist() == [*range(n_vectors)] * 3
    return np.float32(table["vector"].to_pylist()).reshape(3, n_vectors, -1)


# covers: A52 A1
@pytest.mark.parametrize("size", [1, 50])
def test_each_vector_of_a_user_has_a_row(tower, size):
    n_vectors = tower.towers.n_vectors
    found = vectors_of(
        nodes.export_user_embeddings(
            tower, histories(), user_vocabulary(), chunks(users=size)
        ),
        n_vectors,
    )
    events = RequestEvents(EVENTS["timestamps"], EVENTS["ratings"])
    expected = tower.encode(column(ITEMS, pa.string()), USERS, events=events)
    expected = expected.reshape(3, n_vectors, -1)[[1, 0, 2]]
    np.testing.assert_allclose(found, expected, **CLOSE)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, rtol=1e-5)


# covers: A52 A1
def test_test_queries_have_the_time_of_the_first_target(tower):
    n_vectors = tower.towers.n_vectors
    found = vectors_of(
        nodes.export_test_queries(tower, examples(), chunks()), n_vectors
    )
    times = [at for row in TIMES for at in row]
    ratings = [np.nan if r is None else r for row in RATINGS for r in row]
    asked_at = np.int64([90_100, 51, 7])
    events = Events(np.int64(times), np.float32(ratings), asked_at)
    lists = Ragged.from_lists(INDICES)
    expected = tower.encode_indices(lists, np.int32([3, 2, 4]), events=events)
    expected = expected.reshape(3, n_vectors, -1)[[1, 0, 2]]
    np.testing.assert_allclose(found, expected, **CLOSE)
    # Another hour of the request makes another query.
    later = nodes.export_test_queries(tower, examples([180_000] * 3), chunks())
    assert np.abs(vectors_of(later, n_vectors) - found).max() > 1e-5
    untimed = events._replace(asked_at=np.full(3, UNKNOWN_TIME))
    without_time = tower.encode_indices(lists, np.int32([3, 2, 4]), events=untimed)
    assert (
        np.abs(without_time.reshape(3, n_vectors, -1)[[1, 0, 2]] - found).max() > 1e-5
    )


def test_queries_keep_the_request_time_that_towers_read(tower):
    (batch,) = nodes.export_test_queries(tower, examples(), chunks())
    of_each = np.repeat([51, 90_100, 7], tower.towers.n_vectors)
    assert batch["asked_at"].to_pylist() == of_each.tolist()


def test_the_learned_cold_start_query_has_a_list_per_vector(tower):
    found = nodes.export_cold_queries(tower)
    assert np.shape(found["average"]) == (4,)
    learned = tower.cold_start_query("learned")
    assert np.shape(found["learned"]) == ((4,), (2, 4))[tower.towers.n_vectors - 1]
    np.testing.assert_array_equal(np.float32(found["learned"]), learned)
