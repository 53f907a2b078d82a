from math import exp, log

import numpy as np
import pytest

from two_tower.losses.pointwise import gbce, max_margin, sigmoid_cross_entropy

pytestmark = pytest.mark.backend

SCORES = np.array([2.0, 0.0], np.float32), np.array([[0, 1], [0, 0]], np.float32)
ONES = np.ones((2, 2), np.float32)


# covers: L3
def test_sigmoid_cross_entropy_is_the_mean_over_the_labels_by_hand():
    loss = np.asarray(sigmoid_cross_entropy(*SCORES, ONES))
    first = (log(1 + exp(-2)) + log(2) + log(1 + exp(1))) / 3
    np.testing.assert_allclose(loss, [first, log(2)], 1e-5)


# covers: L4
def test_max_margin_is_the_mean_lead_that_lacks_by_hand():
    # Leads of 2 and 1, then of 0 and 0, where 1.5 is asked for.
    loss = np.asarray(max_margin(*SCORES, ONES, margin=1.5))
    np.testing.assert_allclose(loss, [(0 + 0.5) / 2, 1.5], 1e-6)


# covers: L2
@pytest.mark.parametrize(
    ("calibration", "power"), [(0.0, 1.0), (1.0, 0.25), (0.5, 0.625)]
)
def test_gbce_weakens_the_positive_by_the_power_of_the_paper(calibration, power):
    # With nothing sampled only the positive is left, whose loss at 0 is log 2.
    loss = gbce(
        np.zeros(1, np.float32),
        np.zeros((1, 1), np.float32),
        np.zeros((1, 1), np.float32),
        sampling_rate=0.25,
        calibration=calibration,
    )
    np.testing.assert_allclose(np.asarray(loss), [power * log(2)], 1e-6)


# covers: L2
def test_calibrated_gbce_is_best_at_the_softmax_of_the_catalogue():
    # A user chooses this item with probability p. Trained on it as a positive, and
    # otherwise sampled at the rate a, the score that costs least is logit(p) if
    # calibrated fully; plain cross-entropy overstates it.
    chosen, rate = 0.1, 0.01
    scores = np.linspace(-6, 6, 2401, dtype=np.float32)
    ones = np.ones((len(scores), 1), np.float32)

    def best(calibration):
        terms = {"sampling_rate": rate, "calibration": calibration}
        # Twice the mean of two labels is their sum; a far score costs nothing.
        far = np.full_like(scores, 30)
        as_positive = 2 * np.asarray(gbce(scores, -far[:, None], ones, **terms))
        as_negative = 2 * np.asarray(gbce(far, scores[:, None], ones, **terms))
        cost = chosen * as_positive + (1 - chosen) * rate * as_negative
        return scores[cost.argmin()]

    assert best(1.0) == pytest.approx(log(chosen / (1 - chosen)), abs=0.01)
    assert best(0.0) > 2
