from math import inf, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics import definitions
from two_tower.metrics.accuracy import mean_metrics, query_metrics
from two_tower.ragged import Ragged

CUTOFFS = (1, 5, 10)


def metrics(ranks, cutoffs=CUTOFFS):
    return query_metrics(Ragged.from_lists(ranks, float), cutoffs=cutoffs)


def test_one_positive_by_hand():
    # Ranks count from 0: 10 is the eleventh item of the list.
    found = metrics([[0], [1], [4], [10]])
    assert found["hr@1"].tolist() == [1, 0, 0, 0]
    assert found["hr@5"].tolist() == found["recall@5"].tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(found["ndcg@5"], [1, 1 / log2(3), 1 / log2(6), 0])
    np.testing.assert_allclose(found["mrr"], [1, 1 / 2, 1 / 5, 1 / 11])


def test_three_positives_by_hand():
    # Two of three positives are in the top five, at the ranks 1 and 3.
    found = metrics([[3, 7, 1]])
    best = 1 + 1 / log2(3) + 1 / log2(4)
    assert found["recall@5"].tolist() == [pytest.approx(2 / 3)]
    assert found["hr@5"].tolist() == [1]
    np.testing.assert_allclose(found["ndcg@5"], [(1 / log2(3) + 1 / log2(5)) / best])
    assert found["mrr"].tolist() == [1 / 2]


def test_recall_can_reach_1_with_more_positives_than_the_list_is_long():
    found = metrics([[0, 1, 2, 3, 4, 5]])
    assert found["recall@1"].tolist() == found["ndcg@1"].tolist() == [1]
    assert found["recall@5"].tolist() == [1]
    np.testing.assert_allclose(found["ndcg@5"], [1])


def test_ndcg_is_not_normalised_over_the_hits_alone():
    # A single positive at the last rank of the list is no perfect ranking.
    assert metrics([[9]])["ndcg@10"][0] == pytest.approx(1 / log2(11))


def test_a_positive_that_is_not_in_the_list_is_a_miss():
    found = metrics([[inf], [0, inf]])
    assert [values[0] for values in found.values()] == [0] * len(found)
    assert found["recall@10"].tolist() == [0, 1 / 2]
    assert found["mrr"].tolist() == [0, 1]


RANKS = st.lists(
    st.lists(st.integers(0, 14), min_size=1, max_size=6, unique=True),
    min_size=1,
    max_size=8,
)


@given(RANKS)
def test_metrics_follow_the_definition(ranks):
    found = metrics(ranks)
    for k in CUTOFFS:
        hit = [float(min(row) < k) for row in ranks]
        recall = [definitions.recall(row, k) for row in ranks]
        ndcg = [definitions.ndcg(row, k) for row in ranks]
        np.testing.assert_allclose(found[f"hr@{k}"], hit)
        np.testing.assert_allclose(found[f"recall@{k}"], recall)
        np.testing.assert_allclose(found[f"ndcg@{k}"], ndcg)
    reciprocal = [definitions.reciprocal_rank(row) for row in ranks]
    np.testing.assert_allclose(found["mrr"], reciprocal)


@given(RANKS)
def test_hit_rates_never_fall_with_k_and_all_metrics_are_within_0_and_1(ranks):
    found = metrics(ranks, cutoffs=range(1, 16))
    rates = np.array([found[f"hr@{k}"] for k in range(1, 16)])
    assert (np.diff(rates, axis=0) >= 0).all()
    for values in found.values():
        assert (values >= 0).all()
        assert (values <= 1 + 1e-12).all()


@given(RANKS, st.randoms(use_true_random=False))
def test_the_order_of_positives_does_not_matter(ranks, random):
    shuffled = [random.sample(row, len(row)) for row in ranks]
    for name, values in metrics(ranks).items():
        np.testing.assert_allclose(metrics(shuffled)[name], values)


def test_metrics_of_one_positive_never_rise_with_its_rank():
    found = metrics([[rank] for rank in range(20)])
    for values in found.values():
        assert (np.diff(values) <= 0).all()


def test_means_are_over_queries_not_positives():
    assert mean_metrics(metrics([[0], [5, 6, 7]]))["recall@5"] == 1 / 2


def test_a_query_without_a_positive_is_refused():
    with pytest.raises(ValueError, match="1 of 2 queries have no positive"):
        metrics([[0], []])
