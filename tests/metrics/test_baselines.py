import numpy as np
import pytest

from two_tower.metrics.baselines import (
    ease_scorer,
    fit_ease,
    interaction_matrix,
    popularity_scorer,
)
from two_tower.ragged import Ragged

BLOCK = (slice(0, 2), slice(0, 4))


def random_interactions(seed, n_users=40, n_items=7):
    rng = np.random.default_rng(seed)
    return (rng.random((n_users, n_items)) < 0.3).astype(float)


def as_sparse(dense):
    return interaction_matrix(
        Ragged.from_lists([np.flatnonzero(row) for row in dense]), dense.shape[1]
    )


def test_popularity_ranks_by_count_for_everyone():
    scorer = popularity_scorer(np.array([3, 40_000_001, 40_000_000, 3]), n_queries=2)
    scores = scorer.block(*BLOCK)
    assert (scores[0] == scores[1]).all()
    # Counts that float32 would round together stay apart.
    assert scores[0, 1] > scores[0, 2] > scores[0, 0] == scores[0, 3]


def test_blocks_of_scores_may_be_written_to():
    histories = as_sparse(random_interactions(1))
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
    weights = fit_ease(as_sparse(users), l2=l2)
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
    weights = fit_ease(as_sparse(users), l2=2.0)
    scorer = ease_scorer(weights, as_sparse(users))
    scores = scorer.block(slice(5, 9), slice(2, 6))
    expected = users[5:9] @ weights[:, 2:6]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    assert scores.dtype == np.float32


def test_an_l2_too_small_to_solve_is_refused():
    twins = np.ones((5, 2))
    with pytest.raises(ValueError, match="raise l2"):
        fit_ease(as_sparse(twins), l2=1e-300)
