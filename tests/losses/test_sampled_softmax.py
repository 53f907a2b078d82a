from math import exp, log

import keras
import numpy as np
import pytest

from tests.gradients import assert_same_as, evaluated
from two_tower.losses.logits import candidate_bias, candidate_logits, correct, scale
from two_tower.losses.sampled_softmax import sampled_softmax_cross_entropy

pytestmark = pytest.mark.backend


def of_scores(scores, weights, log_q, *, temperature):
    """Return the loss of `[P, 1 + n]` scores, the positive's first."""
    scaled = scale(scores, temperature)
    bias = candidate_bias(weights, log_q[:, 1:])
    return sampled_softmax_cross_entropy(
        correct(scaled[:, 0], log_q[:, 0]),
        candidate_logits(scaled[:, 1:], bias, None),
    )


# covers: L18, L20
def test_the_correction_comes_after_the_temperature_by_hand():
    # Cosines ½ and -½ over the temperature ½, then q of ¼ and 2.
    scores = np.array([[0.5, -0.5]], np.float32)
    log_q = np.log(np.array([[0.25, 2.0]], np.float32))
    loss = of_scores(scores, np.ones((1, 1), np.float32), log_q, temperature=0.5)
    own, negative = 4 * exp(1), exp(-1) / 2
    np.testing.assert_allclose(np.asarray(loss), [log((own + negative) / own)], 1e-5)


# covers: L18, L19
def test_value_and_gradients_follow_the_definition_through_the_temperature():
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, (4, 6)).astype(np.float32)
    q = rng.uniform(0.1, 3, (4, 6))
    weights = rng.choice([0, 0.5, 1, 2], (4, 5)).astype(np.float32)
    inputs = [keras.Variable(cosines), keras.Variable(0.2)]

    def loss():
        cosines, temperature = (variable.value for variable in inputs)
        log_q = np.log(q).astype(np.float32)
        return keras.ops.sum(
            of_scores(cosines, weights, log_q, temperature=temperature)
        )

    def reference(cosines, temperature):
        counts = np.concatenate([np.ones((4, 1)), weights], axis=1)
        terms = counts * np.exp(cosines / temperature) / q
        return -np.log(terms[:, 0] / terms.sum(axis=1)).sum()

    assert_same_as(reference, loss, inputs)


def test_a_small_loss_keeps_its_digits():
    # e^-30 is far below the last digit of a logit of 30.
    logits = np.array([30.0], np.float32), np.zeros((1, 1), np.float32)
    loss = sampled_softmax_cross_entropy(*logits)
    np.testing.assert_allclose(np.asarray(loss), [exp(-30)], 1e-5)


# covers: L18
def test_corrected_samples_estimate_the_full_softmax_without_bias():
    # 7 of 5 items are sampled by popularity, with replacement: an item is expected 7·p
    # times, and the own item is certain.
    rng = np.random.default_rng(1)
    scores, p = rng.normal(size=5), np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    samples = rng.choice(5, (40_000, 7), p=p)
    positive = np.full((len(samples), 1), -60.0)  # so low that exp(loss) is Σ e^s
    log_q = np.concatenate([0 * positive, np.log(7 * p)[samples]], axis=1)
    loss = evaluated(lambda *arrays: of_scores(*arrays, temperature=1.0))(
        np.concatenate([positive, scores[samples]], axis=1).astype(np.float32),
        np.ones(samples.shape, np.float32),
        log_q.astype(np.float32),
    )
    partition = np.exp(loss - 60.0).mean()
    assert partition == pytest.approx(np.exp(scores).sum(), rel=0.01)
