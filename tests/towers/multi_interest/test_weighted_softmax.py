from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.multi_interest import definitions
from tests.towers.multi_interest.build import any_vectors
from two_tower.towers.multi_interest.layers import weighted_softmax

pytestmark = pytest.mark.backend

over_last = evaluated(partial(weighted_softmax, axis=-1))
over_both = evaluated(partial(weighted_softmax, axis=(1, 2)))

WEIGHTS = arrays(np.float32, (2, 5), elements=st.sampled_from([0.0, 0.25, 1.0, 3.0]))


# covers: A19
@settings(max_examples=30)
@given(WEIGHTS, st.integers(0, 99))
def test_it_follows_the_definition_for_any_weights(weights, seed):
    logits = any_vectors(2, 5, seed=seed) * 3
    found = over_last(logits, weights)
    for row in range(2):
        expected = definitions.weighted_softmax(np.float64(logits[row]), weights[row])
        np.testing.assert_allclose(found[row], expected, 1e-5, 1e-6)


# covers: A19
def test_several_axes_sum_to_one_together():
    logits, weights = any_vectors(2, 3, 4), np.abs(any_vectors(2, 3, 4, seed=1))
    found = over_both(logits, weights)
    for row in range(2):
        expected = definitions.weighted_softmax(np.float64(logits[row]), weights[row])
        np.testing.assert_allclose(found[row], expected, 1e-5, 1e-6)


# covers: A19
def test_what_has_no_weight_gets_exactly_nothing_and_has_no_say():
    logits = np.array([[1.0, 1e6, 2.0], [1.0, -1e6, 2.0]], np.float32)
    found = over_last(logits, np.array([[1, 0, 1], [1, 0, 1]], np.float32))
    assert not found[:, 1].any()
    np.testing.assert_allclose(found[:, 0], 1 / (1 + np.e), 1e-5)
    np.testing.assert_array_equal(found[0], found[1])


# covers: A19
def test_without_any_weight_all_is_zero():
    logits = any_vectors(2, 5)
    np.testing.assert_array_equal(over_last(logits, np.zeros_like(logits)), 0)


# covers: A19
def test_logits_far_apart_and_far_from_zero_stay_finite():
    found = over_last(
        np.array([[-3e4, -3e4 - 1], [3e4, 0]], np.float32), np.ones((2, 2), np.float32)
    )
    np.testing.assert_allclose(found[0], [1 / (1 + 1 / np.e), 1 / (1 + np.e)], 1e-5)
    np.testing.assert_allclose(found[1], [1, 0], 1e-5)


# covers: A19
def test_gradients_follow_the_definition():
    logits = keras.Variable(any_vectors(2, 5))
    weights = np.array([[1, 0.5, 0, 2, 1], [0, 0, 0, 0, 0]], np.float32)
    along = any_vectors(2, 5, seed=1)

    def reference(values):
        rows = map(definitions.weighted_softmax, values, weights)
        return np.sum(along * [*rows])

    assert_same_as(
        reference,
        lambda: ops.sum(weighted_softmax(logits.value, weights, -1) * along),
        [logits],
    )


# covers: A19
def test_what_has_no_weight_gets_exactly_no_gradient():
    logits = keras.Variable(any_vectors(2, 5) * 100)
    weights = np.array([[1, 0, 0, 2, 1], [0, 0, 0, 0, 0]], np.float32)
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(ops.square(weighted_softmax(logits.value, weights, -1))),
        [logits],
    )
    assert np.isfinite(gradient).all()
    assert not gradient[weights == 0].any()
