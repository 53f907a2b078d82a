from math import inf, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics import definitions
from two_tower.metrics.accuracy import mean_figures, query_figures
from two_tower.ragged import Ragged

CUTOFFS = (1, 5, 10)


def figures(ranks, cutoffs=CUTOFFS):
    return query_figures(Ragged.from_lists(ranks, float), cutoffs=cutoffs)


def test_one_positive_by_hand():
    # Ranks 0, 1, 4 and 10 are the first, second, fifth and eleventh places.
    found = figures([[0], [1], [4], [10]])
    assert found["hr@1"].tolist() == [1, 0, 0, 0]
    assert found["hr@5"].tolist() == found["recall@5"].tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(found["ndcg@5"], [1, 1 / log2(3), 1 / log2(6), 0])
    np.testing.assert_allclose(found["mrr"], [1, 1 / 2, 1 / 5, 1 / 11])


def test_three_positives_by_hand():
    # Of three positives two are among the first five, at the places 2 and 4.
    found = figures([[3, 7, 1]])
    best = 1 + 1 / log2(3) + 1 / log2(4)
    assert found["recall@5"].tolist() == [pytest.approx(2 / 3)]
    assert found["hr@5"].tolist() == [1]
    np.testing.assert_allclose(found["ndcg@5"], [(1 / log2(3) + 1 / log2(5)) / best])
    assert found["mrr"].tolist() == [1 / 2]


def test_more_positives_than_places_can_be_recalled_fully():
    found = figures([[0, 1, 2, 3, 4, 5]])
    assert found["recall@1"].tolist() == found["ndcg@1"].tolist() == [1]
    assert found["recall@5"].tolist() == [1]
    np.testing.assert_allclose(found["ndcg@5"], [1])


def test_ndcg_is_not_normalised_over_the_hits_alone():
    # A single positive at the last place of the list is no perfect ranking.
    assert figures([[9]])["ndcg@10"][0] == pytest.approx(1 / log2(11))


def test_a_positive_that_is_not_in_the_list_is_a_miss():
    found = figures([[inf], [0, inf]])
    assert [values[0] for values in found.values()] == [0] * len(found)
    assert found["recall@10"].tolist() == [0, 1 / 2]
    assert found["mrr"].tolist() == [0, 1]


RANKS = st.lists(
    st.lists(st.integers(0, 14), min_size=1, max_size=6, unique=True),
    min_size=1,
    max_size=8,
)


@given(RANKS)
def test_figures_follow_the_definition(ranks):
    found = figures(ranks)
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
def test_hit_rates_never_fall_with_k_and_all_figures_are_shares(ranks):
    found = figures(ranks, cutoffs=range(1, 16))
    rates = np.array([found[f"hr@{k}"] for k in range(1, 16)])
    assert (np.diff(rates, axis=0) >= 0).all()
    for values in found.values():
        assert (values >= 0).all()
        assert (values <= 1 + 1e-12).all()


@given(RANKS, st.randoms(use_true_random=False))
def test_the_order_of_positives_does_not_matter(ranks, random):
    shuffled = [random.sample(row, len(row)) for row in ranks]
    for name, values in figures(ranks).items():
        np.testing.assert_allclose(figures(shuffled)[name], values)


def test_figures_of_one_positive_never_fall_when_it_climbs():
    found = figures([[rank] for rank in range(20)])
    for values in found.values():
        assert (np.diff(values) <= 0).all()


def test_means_are_over_queries_not_positives():
    assert mean_figures(figures([[0], [5, 6, 7]]))["recall@5"] == 1 / 2


def test_a_query_without_a_positive_is_refused():
    with pytest.raises(ValueError, match="1 of 2 queries have no positive"):
        figures([[0], []])
