import ibis
import numpy as np
import pytest

from benchmarks.pairs import evaluate, read_pairs
from two_tower.evaluation.queries import EvaluationQueries
from two_tower.ragged import Ragged


def vocabularies():
    users = ibis.memtable({"user": [3, 2], "user_id": [7, 9]})
    items = ibis.memtable({"item": [2, 3], "item_id": ["a", "b"]})
    return users, items


def features():
    users = {"user": [2, 3], "gender": [2, 3], "age": [5, 6], "occupation": [4, 2]}
    items = {"item": [3, 2], "genres": [[4], [2, 3]]}
    return ibis.memtable(users), ibis.memtable(items)


def interactions(**changed):
    columns = {
        "user_id": [7, 7, 9, 9],
        "item_id": ["a", "b", "b", "a"],
        "position": [1, 0, 0, 1],
        "split": ["train", "train", "train", "test"],
    }
    return ibis.memtable(columns | changed)


def test_training_pairs_are_sorted_by_user_and_time():
    pairs = read_pairs(interactions(), vocabularies(), features())
    # User 9 is number 0 and item "a" is number 0; user 9 has "a" only in test.
    assert pairs.users.tolist() == [0, 1, 1]
    assert pairs.items.tolist() == [1, 1, 0]
    assert pairs.user_features.tolist() == [[2, 5, 4], [3, 6, 2]]
    assert pairs.genres.tolist() == [[2, 3], [4, 0]]


def test_an_item_without_a_training_pair_is_refused():
    held_out = interactions(split=["test", "train", "train", "test"])
    with pytest.raises(ValueError, match="1 of 2 items have no training pair"):
        read_pairs(held_out, vocabularies(), features())


def test_unseen_items_are_ranked_with_ties_at_the_worst_rank():
    queries = EvaluationQueries(
        users=np.array([2, 3], np.int32),
        history=Ragged.from_lists([[0], []]),
        targets=Ragged.from_lists([[1], [2]]),
    )
    users = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    # Query 0: item 0 is seen, so item 1 ranks first. Query 1: all 11 other items have
    # the score of item 2, which ranks twelfth.
    items = np.tile(np.array([[0.0, 1.0]], np.float32), (12, 1))
    items[:2] = [[9.0, 1.0], [5.0, 1.0]]
    metrics = evaluate(users, items, queries)
    assert metrics == {"hr@10": 0.5, "hr@50": 1.0, "hr@100": 1.0, "ndcg@10": 0.5}
