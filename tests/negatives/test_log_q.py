from itertools import chain
from math import log
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from two_tower.negatives.log_q import (
    ExactFrequencies,
    StreamingFrequencies,
    log_share_of_rows,
)

PARAMETERS = Path(__file__).parents[2] / "conf/base/parameters"

STREAMS = st.lists(st.lists(st.integers(2, 6), max_size=9), min_size=1, max_size=12)


def roomy(memory):
    """Return an estimator in which the few items of a test share no bucket."""
    return StreamingFrequencies(n_buckets=10_000, n_hashes=2, memory=memory, seed=0)


def shares_of(frequencies, ids):
    return np.exp(frequencies.log_share(np.asarray(ids, np.int32)).astype(float))


def observe(frequencies, stream, batch=100):
    for start in range(0, len(stream), batch):
        frequencies.observe(np.asarray(stream[start : start + batch], np.int32))
    return frequencies


def share_by_definition(stream, item, memory):
    """Return the share of an item of a stream of single rows, one row at a time."""
    n_intervals, last, mean = 0, 0, 0.0
    for row, other in enumerate(stream, start=1):
        if other == item:
            n_intervals += 1
            rate = max(1 / n_intervals, memory)
            mean += rate * (row - last - mean)
            last = row
    rate = max(1 / n_intervals, memory)
    return 1 / (mean + rate * (len(stream) - last))


def power_law(n_items, n_rows, seed):
    """Return a stream in which the item of rank r comes 1 / r as often as the first."""
    masses = 1 / np.arange(1, n_items + 1)
    rng = np.random.default_rng(seed)
    return rng.choice(n_items, n_rows, p=masses / masses.sum()) + 2


# covers: L18
def test_shares_are_counts_over_rows():
    found = log_share_of_rows(np.array([0, 0, 3, 1]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[2:], [log(3 / 4), log(1 / 4)], rtol=1e-6)


# covers: L18
def test_an_item_that_training_never_saw_has_the_smallest_share():
    counts = np.array([0, 10**9, 1])
    np.testing.assert_allclose(
        log_share_of_rows(counts), [log(1e-8), 0, log(1e-8)], rtol=1e-6, atol=1e-6
    )


# covers: L18
@pytest.mark.filterwarnings("error")
def test_no_training_rows_at_all_are_no_division_by_zero():
    np.testing.assert_allclose(log_share_of_rows(np.zeros(3, int)), [log(1e-8)] * 3)


# covers: L18
@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_shares_never_exceed_one_and_keep_the_order_of_counts(counts):
    shares = log_share_of_rows(np.array(counts))
    assert (shares <= 0).all()
    assert (shares >= np.float32(log(1e-8))).all()
    assert (np.diff(shares[np.argsort(counts)]) >= 0).all()


# covers: L18
def test_exact_frequencies_are_the_shares_of_rows():
    exact = ExactFrequencies(log_share_of_rows(np.array([0, 0, 3, 1, 0])))
    exact.observe(np.array([4, 4, 4]))
    np.testing.assert_allclose(
        shares_of(exact, [[2, 3], [4, 2]]), [[0.75, 0.25], [1e-8, 0.75]], rtol=1e-5
    )


# covers: X4
@settings(max_examples=200, deadline=None)
@given(STREAMS, st.sampled_from([0, 0.07, 0.2, 0.3, 0.5, 1]))
def test_batches_teach_what_their_rows_one_by_one_would(batches, memory):
    frequencies = roomy(memory)
    for batch in batches:
        frequencies.observe(np.array(batch, np.int32))
    stream = [*chain(*batches)]
    seen = sorted(set(stream))
    expected = [share_by_definition(stream, item, memory) for item in seen]
    np.testing.assert_allclose(shares_of(frequencies, seen), expected, rtol=1e-5)


# covers: X4
@settings(max_examples=50, deadline=None)
@given(STREAMS.filter(any))
def test_without_forgetting_or_collisions_shares_are_counts_over_rows(batches):
    stream = [*chain(*batches)]
    items, counts = np.unique(stream, return_counts=True)
    frequencies = observe(roomy(memory=0), stream, batch=7)
    np.testing.assert_allclose(
        shares_of(frequencies, items), counts / len(stream), rtol=1e-5
    )


# covers: L18, X4
def test_an_item_that_was_never_seen_has_the_smallest_share():
    frequencies = roomy(memory=0.01)
    np.testing.assert_allclose(shares_of(frequencies, [2, 3]), 1e-8, rtol=1e-5)
    frequencies.observe(np.array([2], np.int32))
    np.testing.assert_allclose(shares_of(frequencies, [2, 3]), [1, 1e-8], rtol=1e-5)


def as_configured() -> dict[str, float]:
    """Return the parameters that are shipped: buckets, hashes, memory."""
    text = (PARAMETERS / "training.yml").read_text(encoding="utf-8")
    streaming: dict[str, float] = yaml.safe_load(text)["_training"]["log_q"][
        "streaming"
    ]
    return streaming


# covers: X4
@pytest.mark.parametrize("memory", [0, as_configured()["memory"]])
def test_popular_items_of_a_power_law_are_within_a_tenth(memory):
    stream = power_law(n_items=10_000, n_rows=1_000_000, seed=1)
    shipped = as_configured()
    frequencies = StreamingFrequencies(
        shipped["buckets"], shipped["hashes"], memory, seed=0
    )
    observe(frequencies, stream, batch=8192)
    counts = np.bincount(stream)
    popular = np.argsort(-counts)[:1000]
    exact = counts[popular] / len(stream)
    np.testing.assert_allclose(shares_of(frequencies, popular), exact, rtol=0.1)


# covers: X4
def test_items_that_share_buckets_are_never_underestimated():
    stream = power_law(n_items=200, n_rows=5000, seed=2)
    items, counts = np.unique(stream, return_counts=True)
    exact = counts / len(stream)
    one, four = (
        shares_of(observe(StreamingFrequencies(256, n, 0, seed=0), stream), items)
        for n in (1, 4)
    )
    assert (one > exact * 1.5).any()
    assert (four >= exact * (1 - 1e-5)).all()
    assert np.log(four / exact).mean() < np.log(one / exact).mean() / 2


def test_with_one_bucket_every_row_is_the_same_item():
    frequencies = StreamingFrequencies(n_buckets=1, n_hashes=3, memory=0.1, seed=0)
    frequencies.observe(np.array([2, 3, 4, 3], np.int32))
    np.testing.assert_allclose(shares_of(frequencies, [2, 3, 9]), 1)


# covers: X4
def test_with_memory_the_estimate_follows_a_change():
    early, late = np.tile([2, 2, 2, 3], 500), np.tile([2, 3, 3, 3], 500)
    stream = np.concatenate([early, late])
    follows = shares_of(observe(roomy(memory=0.02), stream), [2, 3])
    averages = shares_of(observe(roomy(memory=0), stream), [2, 3])
    np.testing.assert_allclose(follows, [0.25, 0.75], rtol=0.05)
    np.testing.assert_allclose(averages, [0.5, 0.5], rtol=1e-5)


# covers: X4
def test_an_item_that_no_longer_comes_loses_its_share():
    frequencies = observe(roomy(memory=0.02), [2, 3] * 500)
    before = shares_of(frequencies, [2])
    observe(frequencies, [3] * 1000)
    assert shares_of(frequencies, [2]) < before / 5


def test_an_empty_batch_teaches_nothing():
    frequencies = observe(roomy(memory=0.1), [2, 3, 2])
    before = frequencies.log_share(np.array([2, 3], np.int32))
    frequencies.observe(np.array([], np.int32))
    np.testing.assert_array_equal(frequencies.log_share(np.int32([2, 3])), before)


# covers: X17
def test_a_restored_estimator_equals_an_uninterrupted_one():
    stream = power_law(n_items=50, n_rows=3000, seed=3)
    unbroken = observe(roomy(memory=0.05), stream[:2000])
    restored = roomy(memory=0.05)
    restored.restore(unbroken.state())
    ids = np.arange(52, dtype=np.int32)
    for frequencies in (unbroken, restored):
        observe(frequencies, stream[2000:])
    np.testing.assert_array_equal(restored.log_share(ids), unbroken.log_share(ids))
