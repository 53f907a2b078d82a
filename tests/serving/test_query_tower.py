"""Raw ids and values in, unit vectors out."""

import numpy as np
import pyarrow as pa
import pytest

from tests.serving.build import make_query_tower, shared_tower, tower_vectors
from two_tower.index.base import require_unit_rows

pytestmark = pytest.mark.backend

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def lists(*histories):
    return pa.array(histories, pa.list_(pa.string()))


# covers: N7
def test_raw_ids_are_looked_up_in_the_vocabularies():
    tower = shared_tower()
    found = tower.encode(lists(["c", "a"], ["f"]), [30, 10])
    np.testing.assert_allclose(
        found, tower_vectors(tower, [[4, 2], [7]], [4, 2]), **CLOSE
    )


# covers: N7
def test_an_unknown_item_says_nothing():
    # Training may never have met the out-of-vocabulary row: it would add noise.
    tower = shared_tower()
    found = tower.encode(lists(["b", "new", "c"], ["new"]))
    np.testing.assert_array_equal(found, tower.encode(lists(["b", "c"], [])))


# covers: L29
def test_an_unknown_user_is_out_of_vocabulary():
    tower = shared_tower()
    found = tower.encode(lists(["b"], ["b"], ["b"]), [99, None, 20])
    expected = tower_vectors(tower, [[3]] * 3, [1, 1, 3])
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("nothing", [[], None])
def test_a_user_without_a_history_gets_the_learned_vector(nothing):
    tower = shared_tower()
    found = tower.encode(lists(["a"], nothing, ["b", "c"]))
    np.testing.assert_allclose(
        found, tower_vectors(tower, [[2], [], [3, 4]], [1, 1, 1]), **CLOSE
    )


def test_histories_of_no_type_at_all_are_empty():
    found = shared_tower().encode(pa.array([[], []]))
    np.testing.assert_array_equal(found, shared_tower().encode(lists([], [])))


def test_a_slice_of_a_column_is_encoded_alone():
    column = lists(["e"], ["a", "b"], ["c"], ["d"])
    found = shared_tower().encode(column.slice(1, 2), pa.array([10, 20, 30])[1:])
    expected = shared_tower().encode(lists(["a", "b"], ["c"]), [20, 30])
    np.testing.assert_array_equal(found, expected)


def test_ids_of_a_wider_or_narrower_type_are_the_same_ids():
    wide = pa.array([["a", "b"]], pa.list_(pa.large_string()))
    found = shared_tower().encode(wide, pa.array([20], pa.int32()))
    expected = shared_tower().encode(lists(["a", "b"]), [20])
    np.testing.assert_array_equal(found, expected)


# covers: L30
def test_features_of_the_request_take_the_place_of_stored_ones():
    tower = shared_tower()
    features = pa.table(
        {
            "occupation": ["doctor", None],
            "zip": ["90210", "00000"],
            "likes": [["dogs", "cats"], []],
        }
    )
    found = tower.encode(lists(["a"], []), [10, None], features)
    values = {
        "age": np.float32([[-1], [0]]),  # user 10 keeps it, nobody has none
        "area": np.int32([[3], [1]]),
        "job": np.int32([[3], [0]]),
        "likes": np.int32([[2, 3], [0, 0]]),
    }
    expected = tower_vectors(tower, [[2], []], [2, 1], values)
    np.testing.assert_allclose(found, expected, **CLOSE)


# covers: L30
def test_a_dense_feature_of_the_request_is_standardised_as_in_training():
    tower = shared_tower()
    found = tower.encode(lists(["a"]), [10], pa.table({"age": [55]}))
    expected = tower_vectors(tower, [[2]], [2], {"age": np.float32([[1.5]])})
    np.testing.assert_allclose(found, expected, **CLOSE)


# covers: L29
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"histories": [["a", "zz"]]}, r"1 of 2 items are not among the 6.*\['zz'\]"),
        ({"users": [99]}, r"1 of 1 users are not among the 3 of the model.*\[99\]"),
        ({"features": {"occupation": ["spy"]}}, r"1 of 1 values of job.*\['spy'\]"),
        ({"features": {"likes": [["cats", "owls"]]}}, "values of likes"),
    ],
)
def test_what_is_unknown_is_refused_when_asked_to(asked, message):
    request = {
        "histories": lists(*asked.get("histories", [["a"]])),
        "users": asked.get("users"),
        "features": pa.table(asked["features"]) if "features" in asked else None,
    }
    shared_tower().encode(**request)
    with pytest.raises(ValueError, match=message):
        shared_tower().encode(**request, strict=True)


# covers: L29
@pytest.mark.parametrize(
    ("users", "features", "message"),
    [
        ([10, 20], None, r"one row per user .*'users': 2"),
        (None, {"age": [1, 2]}, r"one row per user .*'features': 2"),
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
        (None, {"age": ["old"]}, "'dense' and needs a number"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(users, features, message):
    table = None if features is None else pa.table(features)
    with pytest.raises(ValueError, match=message):
        shared_tower().encode(lists(["a"]), users, table)


# covers: L29
def test_features_that_the_towers_do_not_read_are_refused():
    tower = make_query_tower(sides="history")
    with pytest.raises(ValueError, match=r"read from \['age', 'zip'\].*a profile that"):
        tower.encode(lists(["a"]), None, pa.table({"zip": ["1"], "age": [30]}))


# covers: L12
def test_towers_that_do_not_normalise_are_served_by_unit_vectors():
    tower = make_query_tower(normalise=False)
    items = tower.encode_items(np.arange(2, 8, dtype=np.int32))
    queries = tower.encode(lists(["a", "b"], []), [10, None])
    for vectors in (items, queries):
        require_unit_rows(vectors)
        assert vectors.shape[1] == tower.dimension == 5
    raw_items = np.asarray(tower.towers.item_vectors(np.arange(2, 8)), np.float64)
    raw = tower_vectors(tower, [[2, 3], []], [2, 1]).astype(np.float64) @ raw_items.T
    # Of each query the cosines are the dot products, times one number.
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
    np.testing.assert_allclose(tower.cold_query("average"), expected, **CLOSE)


# covers: L30
def test_the_learned_cold_query_is_the_towers_answer_for_nobody():
    tower = shared_tower()
    (expected,) = tower_vectors(tower, [[]], [1])
    np.testing.assert_allclose(tower.cold_query("learned"), expected, **CLOSE)
