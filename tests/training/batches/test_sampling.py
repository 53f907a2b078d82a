"""Exclusions and views beside the drawn negatives."""

import numpy as np

from two_tower.negatives.consumed import Consumed
from two_tower.negatives.in_batch import InBatch
from two_tower.negatives.uniform import Uniform
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.views import Views

# Users 2 and 3 have met the items 2, 3, 4 and 5, 6.
CONSUMED = Consumed.from_pairs(
    np.int32([2, 2, 2, 3, 3]), np.int32([2, 3, 4, 5, 6]), n_users=5, n_items=8
)


def batch():
    """Two rows, of users 2 and 3; the first has two places, and one is padding."""
    return {
        "users": np.int32([2, 3]),
        "rows": np.int32([0, 0, 1, 0]),
        "labels": np.int32([2, 4, 5, 0]),
        "weights": np.float32([1, 1, 1, 0]),
    }


def added(**parts):
    whole = batch()
    BatchSampler(**parts).extend(whole, np.random.default_rng(0))
    return whole


# covers: L20
def test_columns_that_a_rows_user_has_met_are_excluded():
    found = added(source=InBatch(4, None), consumed=CONSUMED)
    assert found["candidates"].tolist() == [2, 4, 5, 0]
    assert found["excluded"].tolist() == [
        [True, True, False, False],
        [False, False, True, False],
    ]


def test_without_a_source_the_columns_are_the_catalogues():
    catalogue = np.arange(2, 8, dtype=np.int32)
    found = added(consumed=CONSUMED, catalogue=catalogue)
    assert "candidates" not in found
    assert found["excluded"].tolist() == [
        [True, True, True, False, False, False],
        [False, False, False, True, True, False],
    ]


def test_own_candidates_that_the_user_has_met_get_no_weight():
    source = Uniform(np.arange(2, 8), 50, per_query=True, log_q=False)
    found = added(source=source, consumed=CONSUMED)
    met = {0: {2, 3, 4}, 1: {2, 3, 4}, 2: {5, 6}}
    for place, items in met.items():
        kept = found["candidates"][place][found["candidate_weights"][place] > 0]
        assert set(kept.tolist()) == set(range(2, 8)) - items


def test_views_are_added_as_they_are_sampled():
    views = Views(np.int32([3, 4]), np.ones((2, 3), bool), np.zeros((2, 3), bool))
    found = added(views=lambda rng: views)
    assert found["views_items"].tolist() == [3, 4]
    assert found["views_left"].all()
    assert not found["views_right"].any()


def test_a_batch_without_sampled_negatives_or_masks_is_unchanged():
    assert added().keys() == batch().keys()
