import numpy as np
import pytest

from tests.index.fabricate import unit_vectors
from two_tower.index.base import NO_ITEM, SearchResult
from two_tower.index.exact import ExactIndex
from two_tower.index.tuning import (
    RecallTargetMissedError,
    grow_annoy,
    measure_recall,
    tune,
)


def found(positions, scores):
    return SearchResult(np.array(positions), np.array(scores, np.float32))


def test_recall_is_the_share_of_exact_results_that_were_found():
    exact = found([[1, 2], [3, 4]], [[0.9, 0.8], [0.7, 0.6]])
    index = found([[1, 9], [3, 4]], [[0.9, 0.5], [0.7, 0.6]])
    assert measure_recall(index, exact) == 0.75  # 1 of 2, then 2 of 2


def test_an_item_as_near_as_the_last_exact_one_is_no_miss():
    exact = found([[1, 2]], [[0.9, 0.8]])
    assert measure_recall(found([[1, 5]], [[0.9, 0.8]]), exact) == 1.0


def test_recall_in_a_small_catalogue_counts_the_items_there_are():
    exact = found([[1, 0, NO_ITEM]], [[0.9, 0.8, -np.inf]])
    index = found([[1, NO_ITEM, NO_ITEM]], [[0.9, -np.inf, -np.inf]])
    assert measure_recall(exact, exact) == 1.0
    assert measure_recall(index, exact) == 0.5


def candidates(vectors, n_trees, search_k):
    return grow_annoy(vectors, n_trees=n_trees, search_k=search_k, at_k=10, seed=1)


# covers: X5
def test_the_first_setting_that_meets_the_target_is_chosen():
    items, queries = unit_vectors(1500, 16), unit_vectors(40, 16, seed=1)
    index, trials = tune(
        candidates(items, [20, 2], [4000, 20, 100]), queries, items, k=10, target=0.9
    )
    # Few trees first, then little search first; all before the last were too poor.
    tried = [(t.parameters["n_trees"], t.parameters["search_k"]) for t in trials]
    assert tried[:3] == [(2, 20), (2, 100), (2, 4000)][: len(tried)]
    assert [trial.recall >= 0.9 for trial in trials] == [False] * (len(tried) - 1) + [
        True
    ]
    assert index.parameters == trials[-1].parameters


# covers: X5
def test_a_missed_target_says_what_was_reached_and_what_to_do():
    items, queries = unit_vectors(1500, 16), unit_vectors(40, 16, seed=1)
    with pytest.raises(RecallTargetMissedError) as error:
        tune(candidates(items, [1], [10, 20]), queries, items, k=10, target=0.95)
    assert "recall@10 of 0." in str(error.value)
    assert "n_trees 1, search_k 20" in str(error.value)
    assert "larger values" in str(error.value)
    assert "'exact'" in str(error.value)


def test_larger_searches_than_the_whole_forest_are_not_tried():
    # Two trees of 30 items have 60 leaves' worth to look at.
    tried = list(candidates(unit_vectors(30), [2], [10, 100, 1000, 10_000]))
    assert [index.search_k for index in tried] == [10, 100]


def test_fewer_items_than_k_are_all_found():
    items = unit_vectors(5)
    _, trials = tune(
        candidates(items, [2], [10]), unit_vectors(3, seed=1), items, k=100, target=1
    )
    assert trials[0].recall == 1.0


def test_exact_search_passes_the_same_gate():
    items = unit_vectors(50)
    index, trials = tune(
        [ExactIndex(items)], unit_vectors(3, seed=1), items, k=10, target=1
    )
    assert index.backend == "exact"
    assert [trial.recall for trial in trials] == [1.0]
