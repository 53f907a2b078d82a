from math import log2

import numpy as np
import pytest

from two_tower.metrics.beyond_accuracy import (
    catalogue_metrics,
    count_in_lists,
    percentiles,
)


def test_lists_are_counted_up_to_each_cutoff():
    lists = np.array([[2, 0, -1], [2, 1, 0]])
    counts = count_in_lists(lists, 4, (1, 2, 3))
    assert counts.tolist() == [[0, 0, 2, 0], [1, 1, 2, 0], [2, 1, 2, 0]]


def test_metrics_by_hand():
    # Item 0 is in three lists, item 2 in one; 8 interactions, 4 items.
    found = catalogue_metrics(np.array([3, 0, 1, 0]), np.array([5, 2, 1, 0]))
    assert found["coverage"] == 2 / 4
    assert found["novelty"] == pytest.approx(-(3 * log2(6 / 12) + log2(2 / 12)) / 4)
    assert found["popularity"] == pytest.approx((3 * 7 / 8 + 3 / 8) / 4)
    # Half the mean absolute difference of the counts over their mean.
    counts = [3, 0, 1, 0]
    difference = sum(abs(a - b) for a in counts for b in counts) / 16
    assert found["gini"] == pytest.approx(difference / 2 / 1)


def test_recommending_every_item_equally_is_neutral():
    found = catalogue_metrics(np.full(5, 7), np.array([9, 9, 3, 1, 0]))
    assert found["coverage"] == 1
    assert found["popularity"] == pytest.approx(1 / 2)
    assert found["gini"] == pytest.approx(0)


def test_equally_popular_items_share_their_percentile():
    assert percentiles(np.array([4, 1, 4, 0])).tolist() == [3 / 4, 3 / 8, 3 / 4, 1 / 8]


def test_a_cold_item_has_finite_novelty():
    found = catalogue_metrics(np.array([0, 1]), np.array([6, 0]))
    assert found["novelty"] == pytest.approx(3)


def test_no_recommendation_at_all_is_refused():
    with pytest.raises(ValueError, match="no list holds an item"):
        catalogue_metrics(np.zeros(3, int), np.ones(3, int))
