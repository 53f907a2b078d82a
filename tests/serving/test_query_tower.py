"""Query towers: raw ids, values and events in, unit vectors out."""

from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from tests.serving.build import (
    event_tower,
    event_vectors,
    id_lists,
    make_query_tower,
    seconds,
    shared_tower,
    stars,
    tower_vectors,
)
from two_tower.index.base import require_unit_rows
from two_tower.serving.requests import RequestEvents

pytestmark = pytest.mark.backend

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


# covers: N7
def test_raw_ids_are_looked_up_in_the_vocabularies():
    tower = shared_tower()
    found = tower.encode(id_lists(["c", "a"], ["f"]), [30, 10])
    np.testing.assert_allclose(
        found, tower_vectors(tower, [[4, 2], [7]], [4, 2]), **CLOSE
    )


# covers: N7
def test_an_item_out_of_vocabulary_is_skipped():
    # Its row may be untrained and would add noise.
    tower = shared_tower()
    found = tower.encode(id_lists(["b", "new", "c"], ["new"]))
    np.testing.assert_array_equal(found, tower.encode(id_lists(["b", "c"], [])))


# covers: L29
def test_an_unseen_user_has_the_out_of_vocabulary_index():
    tower = shared_tower()
    found = tower.encode(id_lists(["b"], ["b"], ["b"]), [99, None, 20])
    expected = tower_vectors(tower, [[3]] * 3, [1, 1, 3])
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("nothing", [[], None])
def test_a_user_without_a_history_gets_the_learned_vector(nothing):
    tower = shared_tower()
    found = tower.encode(id_lists(["a"], nothing, ["b", "c"]))
    np.testing.assert_allclose(
        found, tower_vectors(tower, [[2], [], [3, 4]], [1, 1, 1]), **CLOSE
    )


def test_histories_without_a_type_are_empty():
    found = shared_tower().encode(pa.array([[], []]))
    np.testing.assert_array_equal(found, shared_tower().encode(id_lists([], [])))


def test_a_slice_of_a_column_is_encoded_alone():
    column = id_lists(["e"], ["a", "b"], ["c"], ["d"])
    found = shared_tower().encode(column.slice(1, 2), pa.array([10, 20, 30])[1:])
    expected = shared_tower().encode(id_lists(["a", "b"], ["c"]), [20, 30])
    np.testing.assert_array_equal(found, expected)


def test_ids_of_a_wider_or_narrower_type_are_found():
    wide = pa.array([["a", "b"]], pa.list_(pa.large_string()))
    found = shared_tower().encode(wide, pa.array([20], pa.int32()))
    expected = shared_tower().encode(id_lists(["a", "b"]), [20])
    np.testing.assert_array_equal(found, expected)


# covers: L30
def test_features_of_the_request_replace_stored_ones():
    tower = shared_tower()
    features = pa.table(
        {
            "occupation": ["doctor", None],
            "zip": ["90210", "00000"],
            "likes": [["dogs", "cats"], []],
        }
    )
    found = tower.encode(id_lists(["a"], []), [10, None], features)
    values = {
        "age": np.float32([[-1], [0]]),  # user 10 keeps it, the other has none
        "area": np.int32([[3], [1]]),
        "job": np.int32([[3], [0]]),
        "likes": np.int32([[2, 3], [0, 0]]),
    }
    expected = tower_vectors(tower, [[2], []], [2, 1], values)
    np.testing.assert_allclose(found, expected, **CLOSE)


# covers: L30
def test_a_dense_feature_of_the_request_is_standardised_as_in_training():
    tower = shared_tower()
    found = tower.encode(id_lists(["a"]), [10], pa.table({"age": [55]}))
    expected = tower_vectors(tower, [[2]], [2], {"age": np.float32([[1.5]])})
    np.testing.assert_allclose(found, expected, **CLOSE)


# covers: L29
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"histories": [["a", "zz"]]}, r"1 of 2 items are not among the 6.*\['zz'\]"),
        ({"users": [99]}, r"1 of 1 users are not among the 3 of the model.*\[99\]"),
        ({"features": {"occupation": ["spy"]}}, r"1 of 1 values of job.*\['spy'\]"),
        ({"features": {"likes": [["cats", "owls"]]}}, "values of likes"),
    ],
)
def test_a_strict_request_refuses_what_is_out_of_vocabulary(given, message):
    request = {
        "histories": id_lists(*given.get("histories", [["a"]])),
        "users": given.get("users"),
        "features": pa.table(given["features"]) if "features" in given else None,
    }
    shared_tower().encode(**request)
    with pytest.raises(ValueError, match=message):
        shared_tower().encode(**request, strict=True)


# covers: L29
@pytest.mark.parametrize(
    ("users", "features", "message"),
    [
        ([10, 20], None, r"one row per request.*'users': 2"),
        (None, {"age": [1, 2]}, r"one row per request.*'features': 2"),
        (
            ["ann"],
            None,
            "ids of the users are string, but those of the model are int64",
        ),
        (
            None,
            {"salary": [1]},
            r"no user feature is read from \['salary'\].*occupation",
        ),
        (None, {"age": ["old"]}, "the feature age reads a number; give a number"),
    ],
)
def test_an_invalid_request_is_refused(users, features, message):
    table = None if features is None else pa.table(features)
    with pytest.raises(ValueError, match=message):
        shared_tower().encode(id_lists(["a"]), users, table)


# covers: L29
def test_features_that_the_towers_do_not_read_are_refused():
    tower = make_query_tower(sides="history")
    with pytest.raises(ValueError, match=r"read from \['age', 'zip'\].*a profile that"):
        tower.encode(id_lists(["a"]), None, pa.table({"zip": ["1"], "age": [30]}))


# covers: L12
def test_towers_that_do_not_normalise_return_unit_vectors():
    tower = make_query_tower(normalise=False)
    items = tower.encode_items(np.arange(2, 8, dtype=np.int32))
    queries = tower.encode(id_lists(["a", "b"], []), [10, None])
    for vectors in (items, queries):
        require_unit_rows(vectors)
        assert vectors.shape[1] == tower.dimension == 5
    raw_items = np.asarray(tower.towers.item_vectors(np.arange(2, 8)), np.float64)
    raw = tower_vectors(tower, [[2, 3], []], [2, 1]).astype(np.float64) @ raw_items.T
    # The cosines of a query are its dot products times one number.
    found = queries.astype(np.float64) @ items.T
    ratio = found / raw
    np.testing.assert_allclose(ratio, np.tile(ratio[:, :1], 6), rtol=1e-4)
    assert (ratio > 0).all()


# covers: L30
def test_the_average_query_is_the_direction_of_the_users_mean():
    tower = shared_tower()
    queries = tower_vectors(tower, [[2, 3], [], [4]], [2, 3, 4]).astype(np.float64)
    mean = queries.mean(axis=0)
    expected = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(tower.cold_start_query("average"), expected, **CLOSE)


# covers: L30
def test_the_learned_cold_start_query_is_the_output_without_inputs():
    tower = shared_tower()
    (expected,) = tower_vectors(tower, [[]], [1])
    np.testing.assert_allclose(tower.cold_start_query("learned"), expected, **CLOSE)


# covers: A1 A32
@pytest.mark.parametrize(("n_vectors", "shape"), [(1, (2, 4)), (2, (2, 2, 4))])
def test_times_and_ratings_belong_to_the_items_of_a_request(n_vectors, shape):
    tower = event_tower(n_vectors, user_id=True)
    events = RequestEvents(
        seconds([50, 7200], [None]), stars([None, 4.5], [1]), pa.array([9000, None])
    )
    found = tower.encode(id_lists(["c", "a"], ["f"]), [30, 10], events=events)
    expected = event_vectors(
        tower,
        [[4, 2], [7]],
        [4, 2],
        [[50, 7200], [None]],
        [[None, 4.5], [1]],
        [9000, None],
    )
    assert found.shape == shape
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_an_item_out_of_vocabulary_is_skipped_with_its_events():
    tower = event_tower()
    found = tower.encode(
        id_lists(["b", "new", "c"], None),
        events=RequestEvents(seconds([5, 6, 7], None), stars([1, 5, 2], [])),
    )
    expected = tower.encode(
        id_lists(["b", "c"], []),
        events=RequestEvents(seconds([5, 7], []), stars([1, 2], [])),
    )
    np.testing.assert_array_equal(found, expected)


def test_missing_events_of_a_request_are_unknown():
    tower, nothing = event_tower(), [[None, None]]
    found = tower.encode(id_lists(["b", "c"]))
    expected = event_vectors(tower, [[3, 4]], [1], nothing, nothing, [None])
    np.testing.assert_allclose(found, expected, **CLOSE)
    some = tower.encode(
        id_lists(["b", "c"]), events=RequestEvents(ratings=stars([1, 5]))
    )
    expected = event_vectors(tower, [[3, 4]], [1], nothing, [[1, 5]], [None])
    np.testing.assert_allclose(some, expected, **CLOSE)


def test_towers_that_read_items_alone_ignore_events():
    events = RequestEvents(seconds([5]), stars([1]), pa.array([9]))
    requests = shared_tower().read(id_lists(["a"]), events=events)
    assert requests.events is None


# covers: A14 L30
@pytest.mark.parametrize(
    ("user_id", "cold_start_users"),
    [(False, [True, True, False]), (True, [False, True, False])],
)
def test_an_id_makes_a_warm_user_only_where_towers_read_ids(user_id, cold_start_users):
    tower = event_tower(user_id=user_id)
    requests = tower.read(id_lists([], [], ["a"]), [10, 99, None])
    assert tower.find_cold_start_users(requests).tolist() == cold_start_users


# covers: A33 L30
def test_the_average_query_is_the_direction_of_the_mean_of_all_vectors():
    tower = event_tower(2)
    queries = event_vectors(
        tower,
        [[2, 3], [], [4]],
        [2, 3, 4],
        [[7200, 9000], [], [5]],
        [[1, None], [], [5]],
        [None] * 3,
    )
    mean = queries.astype(np.float64).mean(axis=(0, 1))
    expected = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(tower.cold_start_query("average"), expected, **CLOSE)
    learned = event_vectors(tower, [[]], [1], [[]], [[]], [None])[0]
    assert learned.shape == (2, 4)
    np.testing.assert_allclose(tower.cold_start_query("learned"), learned, **CLOSE)


@cache
def timed_tower():
    return make_query_tower(sides="timed")


def encode_timed(asked_at):
    """Return the query of a history of two items, requested at a second."""
    events = RequestEvents(
        seconds([50, 7200]), stars([None, 4]), pa.array([asked_at], pa.int64())
    )
    return timed_tower().encode(id_lists(["c", "a"]), events=events)


@pytest.mark.parametrize("asked_at", [7200, 9000, 10**6])
def test_a_request_is_read_at_its_time(asked_at):
    expected = event_vectors(
        timed_tower(), [[4, 2]], [1], [[50, 7200]], [[None, 4]], [asked_at]
    )
    np.testing.assert_allclose(encode_timed(asked_at), expected, **CLOSE)


def test_without_a_request_time_the_newest_event_gives_it():
    np.testing.assert_allclose(encode_timed(None), encode_timed(7200), **CLOSE)
    assert np.abs(encode_timed(10**6) - encode_timed(7200)).max() > 1e-3


def test_a_request_without_times_has_a_query_of_its_own():
    found = timed_tower().encode(id_lists(["c", "a"], []))
    assert np.isfinite(found).all()
    assert np.abs(found[0] - encode_timed(7200)).max() > 1e-3


def test_stored_users_are_read_with_their_times():
    average = timed_tower().average_query
    assert np.linalg.norm(average) == pytest.approx(1, rel=1e-5)
