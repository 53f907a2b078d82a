import numpy as np
import pyarrow as pa
import pytest

from tests.towers.build import shared_towers
from two_tower.ragged import Ragged
from two_tower.towers.query_tower import QueryTower

pytestmark = pytest.mark.backend


def query_tower(item_ids):
    """Return a tower of one batch shape; dense ids are 2 … 8."""
    return QueryTower(
        shared_towers("transformer"), pa.array(item_ids), edges=[4], slots=16
    )


def encode_dense(rows):
    return query_tower([*"abcdefg"]).encode_dense(Ragged.from_lists(rows))


# covers: N7
@pytest.mark.parametrize("item_ids", [[10, 30, 20, 50, 40, 70, 60], [*"abcdefg"]])
def test_raw_ids_are_looked_up_in_the_vocabulary(item_ids):
    histories = pa.array([[item_ids[2], item_ids[0]], [item_ids[6]]])
    found = query_tower(item_ids).encode(histories)
    np.testing.assert_array_equal(found, encode_dense([[4, 2], [8]]))


# covers: N7
def test_an_unknown_id_says_nothing():
    # Training may never have met the out-of-vocabulary row: it would add noise.
    found = query_tower([*"abcdefg"]).encode(pa.array([["b", "new", "c"], ["new"]]))
    np.testing.assert_array_equal(found, encode_dense([[3, 4], []]))


@pytest.mark.parametrize("nothing", [[], None])
def test_a_user_without_a_history_gets_the_learned_vector(nothing):
    found = query_tower([*"abcdefg"]).encode(pa.array([["a"], nothing, ["b", "c"]]))
    np.testing.assert_array_equal(found, encode_dense([[2], [], [3, 4]]))


def test_users_of_whom_nothing_is_known_at_all_are_encoded():
    found = query_tower([*"abcdefg"]).encode(pa.array([[], []]))
    np.testing.assert_array_equal(found, encode_dense([[], []]))


def test_a_slice_of_a_column_is_encoded_alone():
    column = pa.array([["g"], ["a", "b"], ["c"], ["d"]])
    found = query_tower([*"abcdefg"]).encode(column.slice(1, 2))
    np.testing.assert_array_equal(found, encode_dense([[2, 3], [4]]))


@pytest.mark.parametrize(
    ("item_ids", "kind"),
    [([*range(7)], pa.int32()), ([*"abcdefg"], pa.large_string())],
)
def test_ids_of_a_wider_or_narrower_type_are_the_same_ids(item_ids, kind):
    histories = pa.array([[item_ids[1], item_ids[2]]], pa.list_(kind))
    found = query_tower(item_ids).encode(histories)
    np.testing.assert_array_equal(found, encode_dense([[3, 4]]))
