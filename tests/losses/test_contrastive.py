from math import exp, log

import keras
import numpy as np
import pytest

from tests.gradients import assert_same_as
from two_tower.losses.contrastive import contrastive
from two_tower.losses.logits import scale

pytestmark = pytest.mark.backend


def of_views(left, right, temperature):
    """Return the loss of views, as the objective of self-supervision calls it."""
    logits = keras.ops.matmul(scale(left, temperature), keras.ops.transpose(right))
    return contrastive(logits)


# covers: L25
def test_two_items_by_hand():
    # Products of the views over the temperature ½: 2 and 0, then 1 and 2.
    left, right = [[1, 0], [0.5, 1]], [[1, 0], [0, 1]]
    loss = of_views(np.array(left, np.float32), np.array(right, np.float32), 0.5)
    expected = [log(1 + exp(-2)), log(1 + exp(-1))]
    np.testing.assert_allclose(np.asarray(loss), expected, 1e-5)


# covers: L19, L25
def test_value_and_gradients_follow_the_definition_through_the_temperature():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 5, 3)).astype(np.float32)
    inputs = [keras.Variable(values) for values in (left, right, np.float32(0.4))]

    def loss():
        return keras.ops.sum(of_views(*(variable.value for variable in inputs)))

    def reference(left, right, temperature):
        terms = np.exp(left @ right.T / temperature)
        return -np.log(np.diag(terms) / terms.sum(axis=1)).sum()

    assert_same_as(reference, loss, inputs)


# covers: L25
def test_an_item_sampled_twice_is_a_negative_of_itself():
    # Were hits masked, as in the main loss, two equal items would cost nothing.
    views = np.array([[1, 0], [1, 0]], np.float32)
    loss = np.asarray(of_views(views, views, 0.1))
    np.testing.assert_allclose(loss, [log(2)] * 2, 1e-5)
