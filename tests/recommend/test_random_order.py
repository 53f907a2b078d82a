"""Lists sampled at random: probabilities, independence and scores."""

import numpy as np
import pytest
from scipy import stats

from two_tower.index.base import NO_ITEM, SearchResult
from two_tower.recommend.random_order import gumbel_noise, sample_by_score

ITEMS = [7, 3, 5]
SCORES = [0.9, 0.5, 0.1]


def lists(n_users):
    """Three items for each user."""
    return SearchResult(
        np.tile(np.array(ITEMS), (n_users, 1)),
        np.tile(np.array(SCORES, np.float32), (n_users, 1)),
    )


def shares(n_users=40_000, **options):
    """Return the share of each ordered pair of items among the samples."""
    sampled = sample_by_score(lists(n_users), np.arange(n_users), 2, **options)
    pairs, counts = np.unique(sampled.indices, axis=0, return_counts=True)
    return {
        tuple(pair): count / n_users
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)
    }


# covers: L30
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_items_are_sampled_without_replacement_by_softmax_of_score(
    temperature,
):
    weights = np.exp(np.array(SCORES) / temperature)
    p = dict(zip(ITEMS, weights / weights.sum(), strict=True))
    expected = {
        (one, other): p[one] * p[other] / (1 - p[one])
        for one in ITEMS
        for other in ITEMS
        if one != other
    }
    found = shares(temperature=temperature, seed=5)
    assert found == pytest.approx(expected, abs=4 * 0.5 / 200)  # 4 standard errors


def test_the_noise_has_the_gumbel_distribution():
    noise = gumbel_noise(np.arange(200)[:, None], np.arange(100), seed=3)
    assert stats.kstest(noise.ravel(), "gumbel_r").pvalue > 0.01


def test_the_noise_of_users_items_and_seeds_is_uncorrelated():
    users, items = np.arange(200)[:, None], np.arange(100)
    one, other = (gumbel_noise(users, items, seed=seed) for seed in (0, 1))
    pairs = [
        (one.ravel(), other.ravel()),
        (one[1:].ravel(), one[:-1].ravel()),
        (one[:, 1:].ravel(), one[:, :-1].ravel()),
        (one[:100, :100].ravel(), one[:100, :100].T.ravel()),
    ]
    for left, right in pairs:
        assert abs(np.corrcoef(left, right)[0, 1]) < 0.05


def test_the_list_of_a_user_is_independent_of_the_others():
    options = {"temperature": 1.0, "seed": 1}
    together = sample_by_score(lists(9), np.arange(9), 2, **options)
    alone = sample_by_score(lists(1), np.array([6]), 2, **options)
    assert together.indices[6].tolist() == alone.indices[0].tolist()


def test_scores_stay_with_their_items():
    sampled = sample_by_score(lists(50), np.arange(50), 3, temperature=1.0, seed=1)
    score_of = dict(zip(ITEMS, np.float32(SCORES), strict=True))
    for items, scores in zip(sampled.indices, sampled.scores, strict=True):
        assert [score_of[item] for item in items] == scores.tolist()


def test_empty_ranks_come_last():
    found = SearchResult(np.array([[4, NO_ITEM, 9]]), np.float32([[-1, -np.inf, -5]]))
    sampled = sample_by_score(found, np.array([0]), 3, temperature=0.1, seed=0)
    assert sampled.indices.tolist() == [[4, 9, NO_ITEM]]
