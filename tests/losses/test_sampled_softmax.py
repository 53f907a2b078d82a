from math import exp, log

import keras
import numpy as np
import pytest

from tests.gradients import assert_same_as, evaluated
from two_tower.losses.sampled_softmax import sampled_softmax_cross_entropy, without_hits

pytestmark = pytest.mark.backend


# covers: L18, L20
def test_the_correction_comes_after_the_temperature_by_hand():
    # Cosines ½ and -½ over the temperature ½, then q of ¼ and 2.
    scores = np.array([1.0], np.float32), np.array([[-1.0]], np.float32)
    log_q = np.log(np.array([[2.0]], np.float32)), np.log(np.array([0.25], np.float32))
    ones = np.ones((1, 1), np.float32)
    loss = np.asarray(sampled_softmax_cross_entropy(*scores, ones, *log_q))
    own, rival = 4 * exp(1), exp(-1) / 2
    np.testing.assert_allclose(loss, [log((own + rival) / own)], 1e-5)


# covers: L18, L19
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_value_and_gradients_follow_the_definition_through_the_temperature(smoothing):
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, (4, 6)).astype(np.float32)
    q = rng.uniform(0.1, 3, (4, 6))
    weights = rng.choice([0, 0.5, 1, 2], (4, 5)).astype(np.float32)
    inputs = [keras.Variable(cosines), keras.Variable(0.2)]

    def loss():
        scores = inputs[0].value / inputs[1].value
        log_q = np.log(q).astype(np.float32)
        return keras.ops.sum(
            sampled_softmax_cross_entropy(
                scores[:, 0],
                scores[:, 1:],
                weights,
                log_q[:, 1:],
                log_q[:, 0],
                smoothing=smoothing,
            )
        )

    def reference(cosines, temperature):
        counts = np.concatenate([np.ones((4, 1)), weights], axis=1)
        terms = np.exp(cosines / temperature) / q
        shares = terms / (counts * terms).sum(axis=1, keepdims=True)
        targets = smoothing * counts / counts.sum(axis=1, keepdims=True)
        targets[:, 0] += 1 - smoothing
        return -(targets * np.log(shares)).sum()

    assert_same_as(reference, loss, inputs)


def test_a_small_loss_keeps_its_digits():
    # e^-30 is far below the last digit of a score of 30.
    scores = np.array([30.0], np.float32), np.zeros((1, 1), np.float32)
    nothing = np.zeros((1, 1), np.float32), np.zeros(1, np.float32)
    loss = sampled_softmax_cross_entropy(*scores, np.ones((1, 1), np.float32), *nothing)
    np.testing.assert_allclose(np.asarray(loss), [exp(-30)], 1e-5)


# covers: L18
def test_corrected_draws_estimate_the_full_softmax_without_bias():
    # 7 of 5 items are drawn by popularity, with replacement: an item is expected 7·p
    # times, and the own item is there for sure.
    rng = np.random.default_rng(1)
    scores, p = rng.normal(size=5), np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    draws = rng.choice(5, (40_000, 7), p=p)
    positive = np.full(len(draws), -60.0, np.float32)  # so low that exp(loss) is Σ e^s
    loss = evaluated(sampled_softmax_cross_entropy)(
        positive,
        scores[draws].astype(np.float32),
        np.ones(draws.shape, np.float32),
        np.log(7 * p)[draws].astype(np.float32),
        np.zeros(len(draws), np.float32),
    )
    partition = np.exp(loss - 60.0).mean()
    assert partition == pytest.approx(np.exp(scores).sum(), rel=0.01)


# covers: L20, N10, X3
def test_negatives_that_are_the_positive_lose_their_weight():
    ids, labels = np.array([[3, 4, 3], [4, 5, 6]]), np.array([3, 6])
    weights = np.array([[1, 2, 0.5], [0, 1, 1]], np.float32)
    kept = np.asarray(without_hits(weights, ids, labels))
    assert kept.tolist() == [[0, 2, 0], [0, 1, 0]]
