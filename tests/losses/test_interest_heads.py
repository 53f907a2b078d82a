"""The auxiliary losses of interest heads against their definitions."""

from math import log

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as
from two_tower.losses.interest_heads import (
    entropy,
    load_balancing,
    semantic,
    weighted_mean,
)
from two_tower.losses.logits import scale

pytestmark = pytest.mark.backend

# The last of four queries is padding.
WEIGHTS = np.array([1, 2, 0.5, 0], np.float32)
REAL = WEIGHTS[:3].astype(np.float64) / 3.5
LOGITS = np.array([[2, -1, 0.5], [0.3, 0.2, -0.4], [4, 0, -1], [9, -9, 9]], np.float32)


def posterior(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def assert_defined(reference, loss, arrays):
    """Compare value and gradients in all arrays."""
    variables = [keras.Variable(array) for array in arrays]
    assert_same_as(
        reference, lambda: loss(*(variable.value for variable in variables)), variables
    )


# covers: A45
def test_load_balancing_follows_the_definition():
    def reference(logits):
        means = REAL @ posterior(logits[:3])
        return sum(max(log(1 / 3) - log(mean), 0) / 3 for mean in means)

    assert_defined(
        reference, lambda x: load_balancing(ops.log_softmax(x), WEIGHTS), [LOGITS]
    )


# covers: A45
def test_heads_of_equal_shares_cost_nothing():
    even = np.log(np.eye(3) * 0.7 + 0.1).astype(np.float32)
    found = float(load_balancing(even, np.ones(3, np.float32)))
    assert found == pytest.approx(0, abs=1e-6)


# covers: A45
def test_a_head_whose_probability_underflows_has_a_finite_loss():
    log_posterior = np.array([[0, -2000]] * 2, np.float32)
    found = float(load_balancing(log_posterior, np.ones(2, np.float32)))
    assert found == pytest.approx((2000 - log(2)) / 2, rel=1e-5)


# covers: A46
def test_entropy_follows_the_definition_and_is_0_for_confident_heads():
    # The greatest p of the real queries are 0.79, 0.39 and 0.97: one is confident.
    def reference(logits):
        greatest = posterior(logits[:3]).max(axis=-1)
        return -REAL @ np.where(greatest > 0.95, 0, np.log(greatest))

    assert_defined(
        reference,
        lambda x: entropy(ops.log_softmax(x), WEIGHTS, confident=0.95),
        [LOGITS],
    )


# covers: A47
def test_semantic_follows_the_definition():
    cosines = np.array(
        [[0.9, -0.2, 0.1], [0.3, 0.5, -0.5], [0, 1, -1], [1, 1, 1]], np.float32
    )

    def reference(cosines, logits):
        log_likeness = np.log(posterior(cosines[:3] / 0.2))
        return -REAL @ (posterior(logits[:3]) * log_likeness).sum(axis=-1)

    assert_defined(
        reference,
        lambda c, x: semantic(scale(c, 0.2), ops.log_softmax(x), WEIGHTS),
        [cosines, LOGITS],
    )


# covers: A42
def test_the_mean_over_queries_is_weighted():
    values = np.array([1, 4, -2, 99], np.float32)
    found = float(weighted_mean(values, WEIGHTS))
    assert found == pytest.approx(REAL @ values[:3])


@pytest.mark.parametrize("n_queries", [1, 4])
def test_a_batch_of_padding_alone_costs_nothing(n_queries):
    log_posterior = np.log(posterior(LOGITS[:n_queries]))
    weights = np.zeros(n_queries, np.float32)
    assert float(load_balancing(log_posterior, weights)) == 0
    assert float(entropy(log_posterior, weights, confident=0.95)) == 0
    assert float(weighted_mean(LOGITS[:n_queries, 0], weights)) == 0
