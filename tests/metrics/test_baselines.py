from itertools import combinations

import numpy as np
import pytest

from tests.metrics import definitions
from two_tower.metrics.baselines import (
    ease_scorer,
    fit_ease,
    interaction_matrix,
    popularity_scorer,
    random_order_metrics,
    replace_rows,
)
from two_tower.ragged import Ragged

CUTOFFS = (1, 2, 4, 9)
BLOCK = (slice(0, 2), slice(0, 4))


def random_interactions(seed, n_users=40, n_items=7):
    rng = np.random.default_rng(seed)
    return (rng.random((n_users, n_items)) < 0.3).astype(float)


def sparse(dense):
    return interaction_matrix(
        Ragged.from_lists([np.flatnonzero(row) for row in dense]), dense.shape[1]
    )


def test_popularity_ranks_by_count_for_every_query():
    scorer = popularity_scorer(np.array([3, 40_000_001, 40_000_000, 3]), n_queries=2)
    scores = scorer.block(*BLOCK)
    assert (scores[0] == scores[1]).all()
    # Counts that float32 rounds to the same number keep their order.
    assert scores[0, 1] > scores[0, 2] > scores[0, 0] == scores[0, 3]


def test_blocks_of_scores_may_be_written_to():
    histories = sparse(random_interactions(1))
    ease = ease_scorer(fit_ease(histories, l2=1.0), histories)
    for scorer in (ease, popularity_scorer(np.arange(7), 40)):
        before = scorer.block(*BLOCK)
        scorer.block(*BLOCK)[:] = 9
        np.testing.assert_array_equal(scorer.block(*BLOCK), before)


def test_repeats_of_an_item_count_once():
    matrix = interaction_matrix(Ragged.from_lists([[2, 0, 2], [], [1]]), 3)
    assert matrix.toarray().tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("l2", [0.5, 10.0])
def test_ease_solves_its_regression(l2):
    # For each item: ridge regression on the other items, one at a time.
    users = random_interactions(2)
    weights = fit_ease(sparse(users), l2=l2)
    for item in range(users.shape[1]):
        others = np.delete(users, item, axis=1)
        gram = others.T @ others + l2 * np.eye(others.shape[1])
        expected = np.linalg.solve(gram, others.T @ users[:, item])
        np.testing.assert_allclose(
            np.delete(weights[:, item], item), expected, rtol=1e-5, atol=1e-6
        )
    assert (np.diag(weights) == 0).all()


def test_ease_scores_are_the_sum_over_the_history():
    users = random_interactions(3)
    weights = fit_ease(sparse(users), l2=2.0)
    scorer = ease_scorer(weights, sparse(users))
    scores = scorer.block(slice(5, 9), slice(2, 6))
    expected = users[5:9] @ weights[:, 2:6]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    assert scores.dtype == np.float32


def test_queries_without_a_score_of_their_own_get_those_of_another_scorer():
    users = random_interactions(3)
    ease = ease_scorer(fit_ease(sparse(users), l2=2.0), sparse(users))
    popularity = popularity_scorer(users.sum(axis=0).astype(int), len(users))
    is_replaced = np.arange(len(users)) % 3 == 0
    mixed = replace_rows(ease, popularity, is_replaced)
    rows, columns = slice(4, 9), slice(1, 6)
    for row, scores in zip(range(4, 9), mixed.block(rows, columns), strict=True):
        source = popularity if row % 3 == 0 else ease
        np.testing.assert_array_equal(scores, source.block(rows, columns)[row - 4])


def test_an_l2_too_small_to_solve_is_refused():
    twins = np.ones((5, 2))
    with pytest.raises(ValueError, match="raise l2"):
        fit_ease(sparse(twins), l2=1e-300)


def mean_over_orders(metric, n_candidates, n_positives):
    """The mean over all sets of ranks that the positives can have."""
    orders = combinations(range(n_candidates), n_positives)
    return np.mean([metric(ranks) for ranks in orders])


# covers: X11
@pytest.mark.parametrize("k", CUTOFFS)
@pytest.mark.parametrize("sizes", [(7, 1), (7, 3), (6, 6), (1, 1), (4, 2), (12, 10)])
def test_a_random_order_reaches_the_mean_over_all_orders(sizes, k):
    another_query = (5, 2)  # must not change anything
    n_candidates, n_positives = np.array([another_query, sizes]).T
    found = random_order_metrics(n_candidates, n_positives, cutoffs=CUTOFFS)
    hit = mean_over_orders(lambda ranks: min(ranks) < k, *sizes)
    recall = mean_over_orders(lambda ranks: definitions.recall(ranks, k), *sizes)
    ndcg = mean_over_orders(lambda ranks: definitions.ndcg(ranks, k), *sizes)
    assert found[f"hr@{k}"][1] == pytest.approx(hit, rel=1e-9)
    assert found[f"recall@{k}"][1] == pytest.approx(recall, rel=1e-9)
    assert found[f"ndcg@{k}"][1] == pytest.approx(ndcg, rel=1e-9)


def test_in_a_random_order_one_positive_has_a_hit_rate_of_k_over_n():
    found = random_order_metrics(np.array([3416]), np.array([1]), cutoffs=(10, 50))
    assert found["hr@10"][0] == pytest.approx(10 / 3416, rel=1e-12)
    assert found["hr@50"][0] == pytest.approx(50 / 3416, rel=1e-12)
