"""Random order by its formulas, against every order there is."""

from itertools import combinations

import numpy as np
import pytest

from tests.metrics import definitions
from two_tower.metrics.baselines import random_figures

CUTOFFS = (1, 2, 4, 9)


def expected(figure, n_candidates, n_positives):
    """The mean over all sets of ranks that the positives can have."""
    everywhere = combinations(range(n_candidates), n_positives)
    return np.mean([figure(ranks) for ranks in everywhere])


# covers: X11
@pytest.mark.parametrize("k", CUTOFFS)
@pytest.mark.parametrize("sizes", [(7, 1), (7, 3), (6, 6), (1, 1), (4, 2), (12, 10)])
def test_a_random_order_reaches_the_mean_over_all_orders(sizes, k):
    sizes_of_others = (5, 2)  # a query beside it changes nothing
    n_candidates, n_positives = np.array([sizes_of_others, sizes]).T
    found = random_figures(n_candidates, n_positives, cutoffs=CUTOFFS)
    hit = expected(lambda ranks: min(ranks) < k, *sizes)
    recall = expected(lambda ranks: definitions.recall(ranks, k), *sizes)
    ndcg = expected(lambda ranks: definitions.ndcg(ranks, k), *sizes)
    assert found[f"hr@{k}"][1] == pytest.approx(hit, rel=1e-9)
    assert found[f"recall@{k}"][1] == pytest.approx(recall, rel=1e-9)
    assert found[f"ndcg@{k}"][1] == pytest.approx(ndcg, rel=1e-9)


def test_one_positive_is_hit_by_k_in_n():
    found = random_figures(np.array([3416]), np.array([1]), cutoffs=(10, 50))
    assert found["hr@10"][0] == pytest.approx(10 / 3416, rel=1e-12)
    assert found["hr@50"][0] == pytest.approx(50 / 3416, rel=1e-12)
