import numpy as np
import pytest

from tests.index.fabricate import unit_vectors
from two_tower.index.annoy import AnnoyParams
from two_tower.index.base import NO_ITEM, SearchResult
from two_tower.index.exact import ExactIndex, ExactParams
from two_tower.index.tuning import RecallTargetMissedError, measure_recall, tune


def found(indices, scores):
    return SearchResult(np.array(indices), np.array(scores, np.float32))


def test_recall_is_the_share_of_exact_results_that_were_found():
    exact = found([[1, 2], [3, 4]], [[0.9, 0.8], [0.7, 0.6]])
    index = found([[1, 9], [3, 4]], [[0.9, 0.5], [0.7, 0.6]])
    assert measure_recall(index, exact) == 0.75  # 1 of 2, then 2 of 2


def test_an_item_that_ties_with_the_last_exact_one_is_a_hit():
    exact = found([[1, 2]], [[0.9, 0.8]])
    assert measure_recall(found([[1, 5]], [[0.9, 0.8]]), exact) == 1.0


def test_recall_of_a_small_catalogue_counts_its_items():
    exact = found([[1, 0, NO_ITEM]], [[0.9, 0.8, -np.inf]])
    index = found([[1, NO_ITEM, NO_ITEM]], [[0.9, -np.inf, -np.inf]])
    assert measure_recall(exact, exact) == 1.0
    assert measure_recall(index, exact) == 0.5


def candidates(vectors, n_trees, search_k):
    params = AnnoyParams(n_trees=n_trees, search_k=search_k)
    return params.candidates(vectors, k=10, seed=1)


# covers: X5
def test_the_first_setting_that_meets_the_target_is_chosen():
    items, queries = unit_vectors(1500, 16), unit_vectors(40, 16, seed=1)
    index, trials = tune(
        candidates(items, [20, 2], [4000, 20, 100]), queries, items, k=10, target=0.9
    )
    # Few trees first, then little search first; all but the last miss the target.
    tried = [(t.parameters["n_trees"], t.parameters["search_k"]) for t in trials]
    assert tried[:3] == [(2, 20), (2, 100), (2, 4000)][: len(tried)]
    assert [trial.recall >= 0.9 for trial in trials] == [False] * (len(tried) - 1) + [
        True
    ]
    assert index.parameters == trials[-1].parameters


# covers: X5
def test_a_missed_target_names_the_best_recall_and_the_remedy():
    items, queries = unit_vectors(1500, 16), unit_vectors(40, 16, seed=1)
    with pytest.raises(RecallTargetMissedError) as error:
        tune(candidates(items, [1], [10, 20]), queries, items, k=10, target=0.95)
    assert "recall@10 of 0." in str(error.value)
    assert "n_trees 1, search_k 20" in str(error.value)
    assert "larger values" in str(error.value)
    assert "indexing.index.kind to exact" in str(error.value)


def test_fewer_items_than_k_are_all_found():
    items = unit_vectors(5)
    _, trials = tune(
        candidates(items, [2], [10]), unit_vectors(3, seed=1), items, k=100, target=1
    )
    assert trials[0].recall == 1.0


def test_exact_search_reaches_a_recall_of_one():
    items = unit_vectors(50)
    candidates = ExactParams().candidates(items, k=10, seed=1)
    index, trials = tune(candidates, unit_vectors(3, seed=1), items, k=10, target=1)
    assert isinstance(index, ExactIndex)
    assert [trial.recall for trial in trials] == [1.0]
