from functools import partial
from itertools import combinations

import numpy as np
import pytest

from two_tower.training.batches.views import (
    ViewMasks,
    complementary_masks,
    correlated_masks,
    random_masks,
    sample_views,
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


def masked_sets(pattern, maskable=ALL, n_samples=400):
    """Return which features are masked, (left, right), in each of many samples."""
    rng = np.random.default_rng(0)
    sampled = [pattern(maskable, rng) for _ in range(n_samples)]
    return [
        (frozenset(np.flatnonzero(~left)), frozenset(np.flatnonzero(~right)))
        for left, right in sampled
    ]


# covers: L21, L23
def test_random_masks_mask_half_of_the_features_of_either_view_apart():
    pairs = {frozenset(pair) for pair in combinations(range(5), 2)}
    masked = masked_sets(random_masks, n_samples=2000)
    # All 10 · 10 combinations come, each about 20 times.
    assert set(masked) == {(left, right) for left in pairs for right in pairs}
    counts = [masked.count(one) for one in set(masked)]
    assert max(counts) < 45


# covers: L21, L23
def test_complementary_masks_mask_the_smaller_half_left_and_the_rest_right():
    masked = masked_sets(complementary_masks)
    assert {left for left, _ in masked} == set(
        map(frozenset, combinations(range(5), 2))
    )
    assert all(right == frozenset(range(5)) - left for left, right in masked)


# covers: L21, L23, L24
def test_correlated_masks_mask_a_seeds_nearest_features_left_and_it_right():
    # Seeds 0 to 4, read off the rows of the table; 4's second best is 0, not 1 or 3.
    nearest = [{3, 4}, {2, 3}, {1, 3}, {1, 2}, {0, 2}]
    masked = masked_sets(PATTERNS["cfm"])
    assert {left for left, _ in masked} == set(map(frozenset, nearest))
    assert all(right == frozenset(range(5)) - left for left, right in masked)
    counts = [[left for left, _ in masked].count(frozenset(one)) for one in nearest]
    assert min(counts) > 50, "seeds are not sampled uniformly"


# covers: L23
@EVERY
def test_features_that_are_not_maskable_are_always_kept(pattern):
    maskable = np.array([False, True, True, False, True, True, True])
    masked = masked_sets(pattern, maskable)
    assert not any((left | right) & {0, 3} for left, right in masked)
    assert {len(left) for left, _ in masked} == {2}


# covers: L23
@EVERY
def test_the_same_seed_samples_the_same_masks(pattern):
    assert masked_sets(pattern, n_samples=5) == masked_sets(pattern, n_samples=5)


# covers: L21
@EVERY
def test_a_single_feature_to_mask_is_refused(pattern):
    maskable = np.array([True, False, False])
    with pytest.raises(ValueError, match=r"only 1 of 3 are maskable.*two or more"):
        pattern(maskable, np.random.default_rng(0))


# covers: L21
def test_information_on_other_features_is_refused():
    with pytest.raises(ValueError, match=r"shape \(5, 5\), but 3 features"):
        PATTERNS["cfm"](np.ones(3, bool), np.random.default_rng(0))


IDS = np.arange(2, 102, dtype=np.int32)
FOUR = np.ones(4, bool)


# covers: L23
def test_items_are_sampled_uniformly_and_each_once_in_a_batch():
    rng = np.random.default_rng(0)
    sampled = [
        sample_views(IDS, 20, FOUR, complementary_masks, rng).items for _ in range(2000)
    ]
    assert all(len(np.unique(items)) == 20 for items in sampled)
    counts = np.bincount(np.concatenate(sampled), minlength=102)
    assert counts[:2].tolist() == [0, 0]
    # 400 each are expected, with a standard deviation below 18.
    assert np.abs(counts[2:] - 400).max() < 5 * 18


# covers: L23
def test_more_items_than_there_are_come_more_than_once():
    rng = np.random.default_rng(0)
    items = sample_views(IDS[:3], 8, FOUR, complementary_masks, rng).items
    assert len(items) == 8
    assert set(items) <= {2, 3, 4}


# covers: L23
def test_all_items_of_a_batch_are_masked_alike():
    left, right = np.array([True, False]), np.array([True, True])

    def fixed(maskable, rng):
        return ViewMasks(left, right)

    views = sample_views(IDS, 3, np.ones(2, bool), fixed, np.random.default_rng(0))
    assert views.items.dtype == np.int32
    assert views.left.tolist() == [[True, False]] * 3
    assert views.right.tolist() == [[True, True]] * 3
