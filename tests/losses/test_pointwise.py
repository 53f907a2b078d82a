from math import exp, log

import numpy as np
import pytest

from two_tower.losses.pointwise import max_margin, sigmoid_cross_entropy

pytestmark = pytest.mark.backend

LOGITS = np.array([2.0, 0.0], np.float32), np.array([[0, 1], [0, 0]], np.float32)
ONES = np.ones((2, 2), np.float32)


# covers: L2 L3
def test_sigmoid_cross_entropy_is_the_mean_over_the_labels_by_hand():
    loss = np.asarray(sigmoid_cross_entropy(*LOGITS, ONES))
    first = (log(1 + exp(-2)) + log(2) + log(1 + exp(1))) / 3
    np.testing.assert_allclose(loss, [first, log(2)], 1e-5)


# covers: L2 L4
def test_max_margin_equals_the_mean_margin_shortfall():
    # Leads of 2 and 1, then of 0 and 0; the margin is 1.5.
    loss = np.asarray(max_margin(*LOGITS, ONES, margin=1.5))
    np.testing.assert_allclose(loss, [(0 + 0.5) / 2, 1.5], 1e-6)
