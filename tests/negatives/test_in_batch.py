import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.negatives.batches import as_columns_per_query, cross_entropy, queries
from two_tower.negatives.in_batch import InBatch
from two_tower.negatives.log_q import (
    ExactFrequencies,
    StreamingFrequencies,
    log_share_of_rows,
)

RNG = np.random.default_rng(0)


# covers: L5, X3
def test_each_item_of_the_batch_has_one_column_that_counts_its_queries():
    found = InBatch(block=4, frequencies=None).sample(queries([5, 3, 5, 5, 9, 3]), RNG)
    assert found.ids.tolist() == [3, 5, 9, 0]
    assert found.weights.tolist() == [2, 3, 1, 0]
    assert found.log_q.tolist() == [0, 0, 0, 0]
    assert found.own_column.tolist() == [1, 0, 1, 1, 2, 0]


def test_padding_is_no_candidate_and_a_weight_of_two_is_one_query():
    positives = queries([5, 3, 0, 5], weights=[2, 0.5, 0, 0])
    found = InBatch(block=1, frequencies=None).sample(positives, RNG)
    assert found.ids.tolist() == [3, 5]
    assert found.weights.tolist() == [1, 1]
    assert found.own_column[:2].tolist() == [1, 0]


@pytest.mark.parametrize(("n_distinct", "n_columns"), [(0, 4), (1, 4), (4, 4), (5, 8)])
def test_columns_come_in_blocks(n_distinct, n_columns):
    labels = np.arange(2, 2 + n_distinct)
    found = InBatch(block=4, frequencies=None).sample(queries(labels), RNG)
    assert found.ids.shape == found.weights.shape == found.log_q.shape == (n_columns,)
    assert found.weights.sum() == n_distinct


# covers: L18, N9
def test_log_q_is_the_log_share_of_the_column_and_of_the_own_item():
    log_shares = log_share_of_rows(np.array([0, 0, 1, 3, 0]))
    source = InBatch(block=3, frequencies=ExactFrequencies(log_shares))
    found = source.sample(queries([3, 2, 4, 3]), RNG)
    np.testing.assert_allclose(found.log_q, np.log([1 / 4, 3 / 4, 1e-8]), rtol=1e-6)
    np.testing.assert_allclose(
        found.own_log_q, np.log([3 / 4, 1 / 4, 1e-8, 3 / 4]), rtol=1e-6
    )


# covers: X4
def test_a_streaming_estimate_has_seen_the_batch_that_it_corrects():
    streaming = StreamingFrequencies(n_buckets=1000, n_hashes=2, memory=0, seed=0)
    source = InBatch(block=2, frequencies=streaming)
    first = source.sample(queries([3, 2, 3, 3, 0], weights=[1, 1, 1, 1, 0]), RNG)
    np.testing.assert_allclose(first.log_q, np.log([1 / 4, 3 / 4]), rtol=1e-5)
    second = source.sample(queries([2, 2]), RNG)
    np.testing.assert_allclose(second.own_log_q, np.log([3 / 6] * 2), rtol=1e-5)


# covers: L5, N9, N10
@pytest.mark.parametrize("mask_hits", [False, True])
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), block=st.integers(1, 9))
def test_distinct_columns_give_the_loss_of_a_column_per_query(mask_hits, seed, block):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, 8, 12)
    positives = queries(labels, weights=rng.choice([0, 0.5, 1, 2], 12))
    scores = rng.normal(size=(12, 8))
    log_q = np.log(rng.dirichlet(np.ones(8)) + 1e-3).astype(np.float32)
    distinct = InBatch(block, ExactFrequencies(log_q)).sample(positives, rng)
    expected = cross_entropy(
        scores, positives, as_columns_per_query(positives, log_q), mask_hits=mask_hits
    )
    found = cross_entropy(scores, positives, distinct, mask_hits=mask_hits)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


# covers: L18
def test_the_correction_makes_up_for_popularity():
    # Labels fall as the shares say, so that each item's term is there as often as any.
    shares = np.array([0, 0, 0.5, 0.3, 0.15, 0.05])
    log_q = np.log(np.maximum(shares, 1e-8)).astype(np.float32)
    rng = np.random.default_rng(1)
    labels = rng.choice(6, 200_000, p=shares)
    source = InBatch(block=4, frequencies=ExactFrequencies(log_q))
    found = source.sample(queries(labels), rng)
    corrected = found.weights * np.exp(-found.log_q) / len(labels)
    np.testing.assert_allclose(corrected, 1, rtol=0.03)
