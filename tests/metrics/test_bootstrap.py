import numpy as np
import pytest

from two_tower.metrics import bootstrap
from two_tower.metrics.bootstrap import bootstrap_intervals, paired_difference


def interval(values, resamples=2_000, confidence=0.95, seed=1):
    found = bootstrap_intervals(
        {"hr": np.asarray(values, float)},
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    return found["hr"]


def test_a_hit_rate_has_the_interval_of_a_binomial():
    values = [1.0] * 300 + [0.0] * 700
    found = interval(values, resamples=20_000)
    error = np.sqrt(0.3 * 0.7 / 1000)
    assert found.mean == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - 1.96 * error, abs=0.0015)
    assert found.high == pytest.approx(0.3 + 1.96 * error, abs=0.0015)


def test_resamples_computed_one_by_one_give_the_same_interval():
    rng = np.random.default_rng(5)
    values = rng.gamma(0.5, size=400)
    sampled = values[rng.integers(0, 400, (10_000, 400))].mean(axis=1)
    found = interval(values, resamples=10_000)
    expected = np.quantile(sampled, [0.025, 0.975])
    np.testing.assert_allclose([found.low, found.high], expected, rtol=0.02)


def test_the_paired_interval_is_narrower_than_that_of_either():
    # Two systems that fail on the same queries, and differ in every tenth.
    first = np.tile([1.0, 0.0], 500)
    second = np.where(np.arange(1000) % 10 == 0, 0.0, first)
    difference = paired_difference({"hr": first}, {"hr": second})["hr"]
    paired, alone = interval(difference), interval(first)
    assert paired.high - paired.low < 0.7 * (alone.high - alone.low)
    assert paired.low > 0


def test_all_metrics_share_the_resamples():
    values = np.random.default_rng(0).random(40)
    found = bootstrap_intervals(
        {"hr": values, "miss": 1 - values}, resamples=200, confidence=0.9, seed=3
    )
    assert found["hr"].low == pytest.approx(1 - found["miss"].high)
    assert found["hr"].mean == pytest.approx(1 - found["miss"].mean)


def test_one_seed_gives_one_interval():
    values = np.random.default_rng(0).random(50)
    assert interval(values) == interval(values)
    assert interval(values) != interval(values, seed=2)


def test_blocks_do_not_change_the_interval(monkeypatch):
    values = np.random.default_rng(0).random(50)
    whole = interval(values, resamples=101)
    monkeypatch.setattr(bootstrap, "SAMPLES_PER_BLOCK", 510)
    assert interval(values, resamples=101) == whole


def test_more_confidence_is_a_wider_interval():
    values = np.random.default_rng(0).random(50)
    narrow, wide = interval(values, confidence=0.8), interval(values, confidence=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_equal_queries_have_an_interval_of_width_0():
    found = interval([0.25] * 8)
    assert found.low == found.mean == found.high == 0.25


def test_the_resamples_come_from_the_seeded_generator():
    values = np.random.default_rng(7).random(9)
    sampled = np.random.default_rng(1).integers(0, 9, (64, 9))
    expected = np.quantile(values[sampled].mean(axis=1), [0.025, 0.975])
    found = interval(values, resamples=64)
    np.testing.assert_allclose([found.low, found.high], expected)
