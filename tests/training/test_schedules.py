"""Learning rates follow their schedules, step by step."""

from math import cos, pi

import numpy as np
import pytest

from tests.training.fit_tiny import cosine_rate
from tests.training.tiny import parameters
from two_tower.training.schedules import Exponential, Horizon

pytestmark = pytest.mark.backend


# covers: A51 L14
@pytest.mark.parametrize("warmup", [0, 4])
def test_the_rate_rises_in_a_line_then_falls_along_half_a_cosine(warmup):
    rate = cosine_rate(warmup_steps=warmup, total_steps=20)
    rising = [0.2 * step / 4 for step in range(warmup)]
    falling = [
        0.2 * (0.1 + 0.9 * (1 + cos(pi * step / (20 - warmup))) / 2)
        for step in range(20 - warmup + 1)
    ]
    found = [float(rate(step)) for step in range(21)]
    np.testing.assert_allclose(found, rising + falling, rtol=1e-5, atol=1e-8)


# covers: L14
@pytest.mark.parametrize(
    ("staircase", "expected"),
    [(True, [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05]), (False, None)],
)
def test_an_exponential_rate_has_fallen_by_its_factor_after_each_epoch(
    staircase, expected
):
    rate = Exponential(per_epoch=0.5, staircase=staircase).build(0.2, Horizon(3, 9))
    by_step = [0.2 * 0.5 ** (step / 3) for step in range(7)]
    found = [float(rate(step)) for step in range(7)]
    np.testing.assert_allclose(found, expected or by_step, rtol=1e-5)


def rates(*changes, steps_per_epoch=50):
    asked = parameters(*changes)
    horizon = Horizon(steps_per_epoch, epochs=2)
    peak = asked.optimizer.learning_rate
    schedule = asked.schedule.chosen.build(peak, horizon)
    if isinstance(schedule, float):
        return [schedule] * (horizon.total_steps + 1)
    return [float(schedule(step)) for step in range(horizon.total_steps + 1)]


def cosine(**options):
    return {"schedule": {"cosine": options}}


# covers: A51 L14
def test_a_constant_rate_stays():
    assert rates({"schedule": {"kind": "constant"}}) == pytest.approx([0.02] * 101)


# covers: A51 L14
def test_the_rate_peaks_after_the_warm_up_and_ends_at_its_share():
    found = rates(cosine(warmup_steps=10, final_share=0.1))
    assert np.argmax(found) == 10
    assert found[10] == pytest.approx(0.02)
    assert found[100] == pytest.approx(0.002)


# covers: A51
def test_a_short_training_gets_to_the_rate_that_was_asked_for():
    found = rates(cosine(warmup_steps=100), steps_per_epoch=6)
    assert max(found) == pytest.approx(0.02)
    assert np.argmax(found) == 4


# covers: L14
def test_an_exponential_rate_falls_epoch_by_epoch():
    exponential = {"exponential": {"per_epoch": 0.5, "staircase": True}}
    found = rates({"schedule": {"kind": "exponential", **exponential}})
    assert found == pytest.approx([0.02] * 50 + [0.01] * 50 + [0.005])
