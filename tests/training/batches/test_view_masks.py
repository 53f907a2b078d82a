import numpy as np

from two_tower.training.batches.views import (
    ViewMasks,
    complementary_masks,
    sample_views,
)

IDS = np.arange(2, 102, dtype=np.int32)
ALL = np.ones(4, bool)


# covers: L23
def test_items_are_drawn_uniformly_and_each_once_in_a_batch():
    rng = np.random.default_rng(0)
    drawn = [
        sample_views(IDS, 20, ALL, complementary_masks, rng).items for _ in range(2000)
    ]
    assert all(len(np.unique(items)) == 20 for items in drawn)
    counts = np.bincount(np.concatenate(drawn), minlength=102)
    assert counts[:2].tolist() == [0, 0]
    # 400 each are expected, with a standard deviation below 18.
    assert np.abs(counts[2:] - 400).max() < 5 * 18


# covers: L23
def test_more_items_than_there_are_come_more_than_once():
    rng = np.random.default_rng(0)
    items = sample_views(IDS[:3], 8, ALL, complementary_masks, rng).items
    assert len(items) == 8
    assert set(items) <= {2, 3, 4}


# covers: L23
def test_all_items_of_a_batch_are_masked_alike():
    left, right = np.array([True, False]), np.array([True, True])

    def fixed(can_hide, rng):
        return ViewMasks(left, right)

    views = sample_views(IDS, 3, np.ones(2, bool), fixed, np.random.default_rng(0))
    assert views.items.dtype == np.int32
    assert views.left.tolist() == [[True, False]] * 3
    assert views.right.tolist() == [[True, True]] * 3
