import ibis
import numpy as np
import pyarrow as pa
import pytest

from two_tower.index.vectors import read_user_vectors
from two_tower.recommend.similar_users import SimilarUsers

# Users at 0°, 60° and 90°, one of them a long vector.
ANGLES = np.deg2rad([0, 60, 90])
VECTORS = np.float32([[3, 0, 0]] + [[np.cos(a), np.sin(a), 0] for a in ANGLES[1:]])
USERS = SimilarUsers(pa.array(["ann", "bob", "cy"]), VECTORS)


# covers: L30
def test_similar_users_leave_out_the_user():
    nearest = USERS.find("bob", 5)
    assert [(user.rank, user.user_id) for user in nearest] == [(1, "cy"), (2, "ann")]
    assert [user.score for user in nearest] == pytest.approx([3**0.5 / 2, 0.5])


# covers: L29
def test_a_user_without_an_embedding_is_named():
    with pytest.raises(ValueError, match=r"1 of 1 users .*user_embeddings.*\['dee'\]"):
        USERS.find("dee", 1)


@pytest.mark.parametrize("k", [0, -1, True, 2.5, "3", None])
def test_a_k_that_is_no_count_is_refused(k):
    with pytest.raises(ValueError, match=r"k is .*; give a whole number above 0"):
        USERS.find("bob", k)


@pytest.mark.parametrize("user", [7, None, ["bob"], {}])
def test_a_value_that_is_no_id_is_no_user(user):
    with pytest.raises(ValueError, match="1 of 1 users are not among the 3"):
        USERS.find(user, 1)


def test_ids_and_vectors_of_different_numbers_are_refused():
    with pytest.raises(ValueError, match="2 user ids and 3 vectors"):
        SimilarUsers(pa.array([1, 2]), VECTORS)


# covers: X6
def test_users_of_several_vectors_are_compared_by_their_nearest_pair():
    # In degrees: ann 0 and 90, bob 180 and 80, cy 200 and 270, dee 5 and 84.
    angles = np.deg2rad([[0, 90], [180, 80], [200, 270], [5, 84]])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    users = SimilarUsers(pa.array(["ann", "bob", "cy", "dee"]), vectors)
    nearest = users.find("ann", 2)
    assert [(user.rank, user.user_id) for user in nearest] == [(1, "dee"), (2, "bob")]
    expected = np.cos(np.deg2rad([5, 10]))
    assert [user.score for user in nearest] == pytest.approx(expected)
    assert [user.user_id for user in users.find("ann", 9)] == ["dee", "bob", "cy"]


def rows_of_two_vectors():
    angles = np.deg2rad([0, 90, 180, 80, 200, 270])
    columns = {
        "user": pa.array([2, 2, 3, 3, 4, 4], pa.int32()),
        "user_id": ["ann", "ann", "bob", "bob", "cy", "cy"],
        "vector_index": pa.array([0, 1] * 3, pa.int32()),
        "vector": np.stack([np.cos(angles), np.sin(angles)], axis=1).tolist(),
    }
    return pa.table(columns)


# covers: X6
def test_rows_of_user_embeddings_are_grouped_by_user():
    users = SimilarUsers.of(read_user_vectors(ibis.memtable(rows_of_two_vectors())))
    assert [user.user_id for user in users.find("ann", 2)] == ["bob", "cy"]


def test_repeated_ids_are_named():
    rows = rows_of_two_vectors()
    ids = rows["user_id"].combine_chunks()
    with pytest.raises(ValueError, match=r"3 user ids .*'ann', 'bob'.*SimilarUsers.of"):
        SimilarUsers(ids, np.array(rows["vector"].to_pylist()))
