import numpy as np
import pytest

from two_tower.negatives.base import whole_catalogue

pytestmark = pytest.mark.backend


def test_the_whole_catalogue_holds_each_real_item_once_and_for_sure():
    ids, weights, log_q, own_log_q, own_column = whole_catalogue(
        np.ones(5, bool), np.array([4, 2, 2, 0])
    )
    assert np.asarray(ids).tolist() == [2, 3, 4]
    assert np.asarray(weights).tolist() == [1, 1, 1]
    assert np.asarray(log_q).tolist() == [0, 0, 0]
    assert np.asarray(own_log_q).tolist() == [0, 0, 0, 0]
    assert own_column is None
