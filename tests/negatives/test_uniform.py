from math import log

import numpy as np
import pytest
from scipy.stats import chisquare

from tests.negatives.batches import queries, sampled_per_batch
from two_tower.negatives.uniform import Uniform


# covers: L17, X3
def test_all_queries_share_samples_with_their_expected_number():
    source = Uniform(np.arange(2, 12), count=5, per_query=False, log_q=True)
    found = source.sample(queries([3, 4, 3]), np.random.default_rng(0))
    assert found.ids.shape == (5,)
    assert found.weights.tolist() == [1] * 5
    np.testing.assert_allclose(found.log_q, [log(5 / 10)] * 5)
    assert found.own_log_q.tolist() == [0, 0, 0]
    assert found.own_column is None


# covers: L17
def test_each_query_has_samples_of_its_own():
    source = Uniform(np.arange(2, 12), count=5, per_query=True, log_q=True)
    found = source.sample(queries([3, 4, 3]), np.random.default_rng(0))
    assert found.ids.shape == found.weights.shape == found.log_q.shape == (3, 5)
    assert len(set(map(tuple, found.ids.tolist()))) == 3
    np.testing.assert_allclose(found.log_q, log(5 / 10))


# covers: N10
def test_a_sample_of_the_querys_own_item_has_weight_zero():
    source = Uniform(np.arange(2, 4), count=50, per_query=True, log_q=True)
    found = source.sample(queries([2, 3]), np.random.default_rng(0))
    np.testing.assert_array_equal(found.weights, found.ids != [[2], [3]])


# covers: L18
def test_without_correction_all_logs_are_zero():
    source = Uniform(np.arange(2, 12), count=5, per_query=False, log_q=False)
    assert not source.sample(queries([3]), np.random.default_rng(0)).log_q.any()


# covers: L17, L18
@pytest.mark.parametrize("per_query", [False, True])
def test_items_are_sampled_as_often_as_log_q_says(per_query):
    source = Uniform(np.arange(2, 22), count=7, per_query=per_query, log_q=True)
    positives = queries([0])  # no real item, so that none is left out as the own one
    totals = sampled_per_batch(source, positives, 3000, n_items=22).sum(axis=0)
    assert not totals[:2].any()
    log_q = source.sample(positives, np.random.default_rng(0)).log_q.ravel()[0]
    expected = np.full(20, 3000 * np.exp(np.float64(log_q)))
    assert chisquare(totals[2:], expected, sum_check=False).pvalue > 0.01
