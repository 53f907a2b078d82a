from functools import partial
from itertools import combinations

import numpy as np
import pytest

from two_tower.training.batches.views import (
    complementary_masks,
    correlated_masks,
    random_masks,
)

ALL = np.ones(5, bool)
INFORMATION = np.array(
    [
        [9.0, 0.1, 0.2, 0.3, 0.4],
        [0.1, 9.0, 0.8, 0.7, 0.0],
        [0.2, 0.8, 9.0, 0.6, 0.5],
        [0.3, 0.7, 0.6, 9.0, 0.0],
        [0.4, 0.0, 0.5, 0.0, 9.0],
    ]
)
PATTERNS = {
    "rfm": random_masks,
    "rfm-complementary": complementary_masks,
    "cfm": partial(correlated_masks, information=INFORMATION),
}
EVERY = pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)


def hidden_sets(pattern, can_hide=ALL, n_draws=400):
    """Return which features are hidden, (left, right), in each of many draws."""
    rng = np.random.default_rng(0)
    drawn = [pattern(can_hide, rng) for _ in range(n_draws)]
    return [
        (frozenset(np.flatnonzero(~left)), frozenset(np.flatnonzero(~right)))
        for left, right in drawn
    ]


# covers: L21, L23
def test_random_masks_hide_half_of_the_features_of_either_view_apart():
    pairs = {frozenset(pair) for pair in combinations(range(5), 2)}
    hidden = hidden_sets(random_masks, n_draws=2000)
    # All 10 · 10 combinations come, each about 20 times.
    assert set(hidden) == {(left, right) for left in pairs for right in pairs}
    counts = [hidden.count(one) for one in set(hidden)]
    assert max(counts) < 45


# covers: L21, L23
def test_complementary_masks_hide_the_smaller_half_left_and_the_rest_right():
    hidden = hidden_sets(complementary_masks)
    assert {left for left, _ in hidden} == set(
        map(frozenset, combinations(range(5), 2))
    )
    assert all(right == frozenset(range(5)) - left for left, right in hidden)


# covers: L21, L23, L24
def test_correlated_masks_hide_a_seeds_nearest_features_left_and_it_right():
    # Seeds 0 to 4, read off the rows of the table; 4's second best is 0, not 1 or 3.
    nearest = [{3, 4}, {2, 3}, {1, 3}, {1, 2}, {0, 2}]
    hidden = hidden_sets(PATTERNS["cfm"])
    assert {left for left, _ in hidden} == set(map(frozenset, nearest))
    assert all(right == frozenset(range(5)) - left for left, right in hidden)
    counts = [[left for left, _ in hidden].count(frozenset(one)) for one in nearest]
    assert min(counts) > 50, "seeds are not drawn uniformly"


# covers: L23
@EVERY
def test_features_that_cannot_be_hidden_are_always_kept(pattern):
    can_hide = np.array([False, True, True, False, True, True, True])
    hidden = hidden_sets(pattern, can_hide)
    assert not any((left | right) & {0, 3} for left, right in hidden)
    assert {len(left) for left, _ in hidden} == {2}


# covers: L23
@EVERY
def test_the_same_seed_draws_the_same_masks(pattern):
    assert hidden_sets(pattern, n_draws=5) == hidden_sets(pattern, n_draws=5)


# covers: L21
@EVERY
def test_a_single_feature_to_hide_is_refused(pattern):
    can_hide = np.array([True, False, False])
    with pytest.raises(ValueError, match=r"only 1 of 3 can be hidden.*two or more"):
        pattern(can_hide, np.random.default_rng(0))


# covers: L21
def test_information_on_other_features_is_refused():
    with pytest.raises(ValueError, match=r"shape \(5, 5\), but 3 features"):
        PATTERNS["cfm"](np.ones(3, bool), np.random.default_rng(0))
