from dataclasses import replace

import ibis
import numpy as np
import pytest

from tests.evaluation.fabricate import MultiVectorWorld, World, table
from two_tower.evaluation.queries import (
    EvaluationQueries,
    read_evaluation_queries,
    read_n_train,
    read_query_vectors,
    read_training_items,
)
from two_tower.ragged import Ragged

WORLD = World()


def rows_of(ragged):
    return [ragged.take([row]).values.tolist() for row in range(len(ragged))]


def test_queries_are_read_in_order_of_user_with_distinct_positives():
    examples = table(
        user=[9, 4],
        items=[[1, 2], [0, 5, 3]],
        targets=[[2], [7, 2, 7]],
        other_seen=[[], [6, 1]],
    )
    queries = read_evaluation_queries(examples)
    assert queries.users.tolist() == [4, 9]
    # Padding and items outside the vocabulary have no item index.
    assert rows_of(queries.history) == [[3, 1], [0]]
    assert rows_of(queries.targets) == [[5, 0], [0]]
    assert rows_of(queries.other_seen) == [[4], []]


def queries_of(seen, targets):
    return EvaluationQueries(
        users=np.arange(2, 2 + len(seen), dtype=np.int32),
        history=Ragged.from_lists(seen),
        targets=Ragged.from_lists(targets),
    )


def test_queries_restricted_to_some_items_need_a_positive_among_them():
    queries = queries_of([[0, 1], [2], [1, 3]], [[2, 3], [0], [1]])
    found = queries.restrict(np.array([False, True, False, True]))
    assert found.users.tolist() == [2, 4]
    assert rows_of(found.history) == [[1], [1, 3]]
    assert rows_of(found.targets) == [[3], [1]]


def test_candidates_are_unseen_items_and_positives():
    queries = queries_of([[0, 1, 1], [2], []], [[1], [3], [0]])
    assert queries.count_candidates(5).tolist() == [4, 4, 5]


def test_what_else_a_user_has_seen_is_no_candidate():
    queries = replace(
        queries_of([[0, 1], [], [2]], [[2], [0], [1]]),
        other_seen=Ragged.from_lists([[3, 2], [], [4]]),
    )
    assert rows_of(queries.excluded) == [[0, 1, 3], [], [2, 4]]
    assert queries.count_candidates(6).tolist() == [3, 6, 4]
    ranked = replace(queries, seen="ranked")
    assert rows_of(ranked.excluded) == [[], [], []]
    assert rows_of(queries.take([2, 0]).excluded) == [[2, 4], [0, 1, 3]]
    kept = queries.restrict(np.array([True, True, True, False, True, True]))
    assert rows_of(kept.excluded) == [[0, 1], [], [2, 4]]


def test_no_query_at_all_is_refused():
    empty = WORLD.test_examples.filter(ibis._.user < 0)
    with pytest.raises(ValueError, match="test_examples is empty"):
        read_evaluation_queries(empty)


def test_vectors_are_read_in_order_of_user():
    found = read_query_vectors(WORLD.test_queries, np.array(WORLD.users, np.int32))
    assert found.user_ids.to_pylist() == [f"u{user}" for user in WORLD.users]
    np.testing.assert_array_equal(found.vectors[:, 0], WORLD.queries)


def test_vectors_of_other_users_are_refused():
    with pytest.raises(ValueError, match="kedro run --pipelines export"):
        read_query_vectors(WORLD.test_queries, np.arange(2, 13, dtype=np.int32))


def test_a_user_who_lacks_a_vector_is_refused():
    world = MultiVectorWorld()
    fewer = world.test_queries.filter((ibis._.user != 5) | (ibis._.vector_index < 2))
    with pytest.raises(ValueError, match=r"1 of 12 users .*'u5'"):
        read_query_vectors(fewer, np.array(world.users, np.int32))


def test_vectors_of_an_earlier_version_are_refused():
    without_index = WORLD.test_queries.drop("vector_index")
    with pytest.raises(ValueError, match="exported by an earlier version"):
        read_query_vectors(without_index, np.array(WORLD.users, np.int32))


def test_training_items_are_collected_over_the_windows_of_a_user():
    found = rows_of(read_training_items(WORLD.train_sequences))
    expected = [set(items) for items in WORLD.training if items]
    assert [set(row) for row in found] == expected


def test_training_interactions_are_read_in_vocabulary_order():
    found = read_n_train(WORLD.item_vocabulary, "item")
    assert found.tolist() == WORLD.n_train.tolist()
