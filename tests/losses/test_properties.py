"""Properties of every loss."""

from functools import cache

import keras
import numpy as np
import pytest

from tests.gradients import assert_same_as, with_gradients
from tests.losses.scored import CONTRASTIVE, LOSSES

pytestmark = pytest.mark.backend

EVERY = pytest.mark.parametrize("name", [*LOSSES, "contrastive"])
MASKING = pytest.mark.parametrize("name", list(LOSSES))  # contrastive masks none
WEIGHTED = pytest.mark.parametrize("name", [n for n in LOSSES if n != "softmax"])

POSITIVE = np.array([1.5, -0.5, 0.25, 2.0], np.float32)
NEGATIVE = np.array(
    [[0.5, -1, 2], [0, 0.1, -0.2], [3, 0.5, -2], [-1, -1.5, 0.3]], np.float32
)
ONES = np.ones((4, 3), np.float32)


def loss_named(name):
    return CONTRASTIVE if name == "contrastive" else LOSSES[name]


@cache  # JAX compiles each function again
def compute(name):
    """Return the function from logits and weights to the total and its gradients."""
    both = {}

    def run(positive, negative, weights=None):
        given = np.ones_like(negative, np.float32) if weights is None else weights
        key = (given.shape, given.tobytes())

        def total(positive, negative):
            return loss_named(name).total(positive, negative, given)

        function = both.setdefault(key, with_gradients(total, 2))
        loss, gradients = function(positive, negative)
        return np.asarray(loss), [np.asarray(gradient) for gradient in gradients]

    return run


def assert_defined(name, weights):
    """Compare a loss and its gradients with the definition, positive by positive."""
    loss = loss_named(name)
    inputs = [keras.Variable(POSITIVE), keras.Variable(NEGATIVE)]

    def reference(*scores):
        return sum(map(loss.definition, *scores, weights.astype(np.float64)))

    def total():
        return loss.total(*(variable.value for variable in inputs), weights)

    assert_same_as(reference, total, inputs)


# covers: L2, L3, L4, L25, N9
@EVERY
def test_value_and_gradients_follow_the_definition(name):
    assert_defined(name, ONES)


# covers: L3, L4, X3
@MASKING
def test_a_negative_of_weight_zero_is_masked_by_definition(name):
    masks = [[1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert_defined(name, np.array(masks, np.float32))


# covers: X3
@WEIGHTED
def test_a_negative_of_weight_w_is_w_negatives_by_definition(name):
    weights = [[2, 0, 0.5], [1, 3, 1], [0, 0, 4], [0.25, 0.5, 1]]
    assert_defined(name, np.array(weights, np.float32))


# covers: L3, L4, X3
@MASKING
def test_with_all_negatives_masked_the_positive_is_alone(name):
    found, (to_positive, to_negative) = compute(name)(POSITIVE, NEGATIVE, 0 * ONES)
    alone = sum(loss_named(name).alone(float(score)) for score in POSITIVE)
    np.testing.assert_allclose(found, alone, 1e-5, 1e-6)
    assert np.isfinite(to_positive).all()
    assert not to_negative.any()


# covers: X3
@MASKING
def test_a_masked_negative_may_have_any_logit(name):
    weights = np.array([[0, 1, 1]] * 4, np.float32)
    high = NEGATIVE.copy()
    high[:, 0] = 1e4
    found, (_, to_negative) = compute(name)(POSITIVE, high, weights)
    expected, _ = compute(name)(POSITIVE, NEGATIVE, weights)
    np.testing.assert_allclose(found, expected, 1e-6)
    assert not to_negative[:, 0].any()


@MASKING
def test_the_loss_of_a_positive_depends_on_its_row_alone(name):
    together, _ = compute(name)(POSITIVE, NEGATIVE)
    rows = [compute(name)(POSITIVE[[row]], NEGATIVE[[row]])[0] for row in range(4)]
    np.testing.assert_allclose(sum(rows), together, 1e-6)


# covers: L25
def test_a_single_item_without_negatives_costs_nothing():
    found, gradients = compute("contrastive")(POSITIVE[:1], NEGATIVE[:1, :0])
    assert found == 0
    assert not gradients[0].any()


# covers: L3, L4, L25
@EVERY
def test_equal_logits_have_the_loss_of_chance(name):
    found, _ = compute(name)(0 * POSITIVE, 0 * NEGATIVE)
    np.testing.assert_allclose(found, 4 * loss_named(name).equal(3), 1e-5)


@EVERY
def test_half_precision_logits_lose_no_further_digits(name):
    half = POSITIVE.astype(np.float16), NEGATIVE.astype(np.float16)
    found, gradients = compute(name)(*half)
    expected, exact = compute(name)(*(scores.astype(np.float32) for scores in half))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, 1e-5)
    for gradient, other in zip(gradients, exact, strict=True):
        np.testing.assert_allclose(gradient, other, 2e-3, 1e-4)


@EVERY
@pytest.mark.parametrize("scale", [1e-4, 1e2, 1e4])
def test_loss_and_gradients_are_finite_at_any_logits(name, scale):
    found, gradients = compute(name)(POSITIVE * scale, NEGATIVE * scale)
    assert np.isfinite(found)
    assert found >= 0
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@EVERY
def test_no_loss_falls_when_a_negative_rises_or_the_positive_sinks(name):
    _, (to_positive, to_negative) = compute(name)(POSITIVE, NEGATIVE)
    assert (to_positive <= 0).all()
    assert (to_negative >= 0).all()
    assert to_positive.any()
    assert to_negative.any()
