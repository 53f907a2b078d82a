"""Softmax of users with several vectors against shared candidates."""

from math import exp, log

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, traced_shapes, with_gradients
from two_tower.losses.logits import candidate_logits, log_weights
from two_tower.losses.multi_interest import (
    log_partition,
    mixture_cross_entropy,
    multi_vector_cross_entropy,
    nearest_log_partition,
    soft_maximum,
)
from two_tower.losses.sampled_softmax import sampled_softmax_cross_entropy
from two_tower.types import MASKED_LOGIT

pytestmark = pytest.mark.backend

P, V, Q, D = 3, 2, 5, 4
TEMPERATURE, MARGIN = 0.5, 0.1
# Candidate 3 is masked for all queries; query 2 has no candidate.
WEIGHTS = np.array([[1, 0, 2, 0, 0.5], [1, 1, 0, 0, 3], [0, 0, 0, 0, 0]], np.float32)
PROBABILITIES = np.array([[0.25, 0.75], [1, 0], [0.5, 0.5]], np.float32)


def log_of(weights):
    """Return log weights, masked where the weight is 0."""
    with np.errstate(divide="ignore"):
        return np.where(weights > 0, np.log(weights), MASKED_LOGIT).astype(np.float32)


def given(seed=0):
    """Return queries [P, V, D], positives [P, D], candidates [Q, D] as variables."""
    rng = np.random.default_rng(seed)
    shapes = [(P, V, D), (P, D), (Q, D)]
    arrays = [rng.normal(size=shape).astype(np.float32) / 2 for shape in shapes]
    return [keras.Variable(array) for array in arrays]


LOSSES = {"category": multi_vector_cross_entropy, "mixture": mixture_cross_entropy}


def total(
    queries, positives, vectors, *, joint, weights=WEIGHTS, assignment="category"
):
    """Return the sum over queries, from vectors, as an objective calls the loss."""
    scores = ops.sum(queries * ops.expand_dims(positives, 1), axis=-1)
    bias = log_of(weights) if weights is not None else np.zeros((1, Q))
    negatives = log_partition(queries / TEMPERATURE, vectors, bias)
    positive = (scores - MARGIN) / TEMPERATURE
    losses = LOSSES[assignment](positive, negatives.log_sum, PROBABILITIES, joint=joint)
    return ops.sum(losses)


def defined(
    queries, positives, vectors, *, joint, weights=WEIGHTS, assignment="category"
):
    """Return the sum by definition: probabilities, then their logarithms."""
    weights = np.ones((P, Q)) if weights is None else weights.astype(np.float64)
    result = 0.0
    for p in range(P):
        own = np.exp((queries[p] @ positives[p] - MARGIN) / TEMPERATURE)
        others = np.exp(queries[p] @ vectors.T / TEMPERATURE) @ weights[p]
        whole = (own + others).sum() if joint else own + others
        chosen, explained = PROBABILITIES[p].astype(np.float64), own / whole
        if assignment == "mixture":
            result -= log(chosen @ explained)
        else:
            result -= chosen @ np.log(explained)
    return result


# covers: A42, A43, A44
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("weights", [WEIGHTS, None], ids=["weighted", "unweighted"])
@pytest.mark.parametrize("assignment", LOSSES)
def test_value_and_gradients_follow_the_definition(joint, weights, assignment):
    variables = given()
    options = {"joint": joint, "weights": weights, "assignment": assignment}
    assert_same_as(
        lambda *arrays: defined(*arrays, **options),
        lambda: total(*(variable.value for variable in variables), **options),
        variables,
    )


def total_of_nearest(queries, positives, vectors, *, soft_max_temperature):
    """Return the sum over queries of the loss of the nearest vector."""
    scores = ops.sum(queries * ops.expand_dims(positives, 1), axis=-1)
    positive = soft_maximum((scores - MARGIN) / TEMPERATURE, soft_max_temperature)
    negatives = nearest_log_partition(
        queries / TEMPERATURE, vectors, log_of(WEIGHTS), soft_max_temperature
    )
    ones = ops.ones_like(positive)
    losses = mixture_cross_entropy(positive, negatives.log_sum, ones, joint=True)
    return ops.sum(losses)


def defined_of_nearest(queries, positives, vectors, *, soft_max_temperature):
    """Return the sum by definition: exponentials and powers."""
    weights, result = WEIGHTS.astype(np.float64), 0.0
    for p in range(P):
        sharp = TEMPERATURE * soft_max_temperature
        own = (
            np.exp((queries[p] @ positives[p] - MARGIN) / sharp).sum()
            ** soft_max_temperature
        )
        others = (
            np.exp(queries[p] @ vectors.T / sharp).sum(axis=0) ** soft_max_temperature
        )
        result -= log(own / (own + others @ weights[p]))
    return result


# covers: A33, A43
@pytest.mark.parametrize("soft_max_temperature", [1.0, 0.3, 0.05])
def test_the_nearest_vector_follows_the_definition(soft_max_temperature):
    variables = given()
    assert_same_as(
        lambda *arrays: defined_of_nearest(
            *arrays, soft_max_temperature=soft_max_temperature
        ),
        lambda: total_of_nearest(
            *(v.value for v in variables), soft_max_temperature=soft_max_temperature
        ),
        variables,
    )


# covers: A33
def test_near_temperature_0_it_is_the_softmax_of_the_greatest_scores():
    queries, _, vectors = (np.asarray(v.value) for v in given())
    greatest = (queries @ vectors.T).max(axis=1) + log_of(WEIGHTS)
    found = nearest_log_partition(queries, vectors, log_of(WEIGHTS), 1e-4)
    sums = np.log(np.exp(greatest[:2]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.asarray(found.log_sum)[:2], sums, 1e-4)
    np.testing.assert_allclose(
        np.asarray(found.greatest)[:2, 0], greatest[:2].max(axis=1), 1e-4
    )


# covers: A43
def test_at_temperature_1_it_is_the_softmax_over_all_pairs_of_vector_and_item():
    variables = [np.asarray(variable.value) for variable in given()]
    scores = np.einsum("pvd,pd->pv", *variables[:2])
    positive = ((scores - MARGIN) / TEMPERATURE).astype(np.float32)
    negatives = log_partition(
        variables[0] / TEMPERATURE, variables[2], log_of(WEIGHTS)
    ).log_sum
    pairs = mixture_cross_entropy(positive, negatives, np.ones((P, V)), joint=True)
    merged = total_of_nearest(*variables, soft_max_temperature=1.0)
    assert float(merged) == pytest.approx(float(ops.sum(pairs)), rel=1e-5)


# covers: A42
@pytest.mark.parametrize("soft_max_temperature", [1.0, 0.01])
def test_a_single_vector_is_the_nearest_at_any_temperature(soft_max_temperature):
    queries, _, vectors = (np.asarray(v.value) for v in given())
    one = queries[:, :1]
    found = nearest_log_partition(one, vectors, log_of(WEIGHTS), soft_max_temperature)
    plain = log_partition(one, vectors, log_of(WEIGHTS))
    np.testing.assert_allclose(*map(np.asarray, (found.log_sum, plain.log_sum)), 1e-5)


# covers: A37, A38
def test_a_candidate_of_weight_zero_is_no_negative_of_the_nearest():
    queries, positives, vectors = (np.asarray(v.value).copy() for v in given())
    vectors[3] = 1e4  # however high its score
    both = with_gradients(
        lambda *arrays: total_of_nearest(*arrays, soft_max_temperature=0.3), 3
    )
    loss, gradients = both(queries, positives, vectors)
    to_vectors = np.asarray(gradients[2])
    assert np.isfinite(loss)
    assert not to_vectors[3].any()
    assert to_vectors[[0, 2]].any(axis=1).all()


@pytest.mark.parametrize("soft_max_temperature", [1.0, 1e-3])
@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_the_loss_of_the_nearest_does_not_overflow(soft_max_temperature, scale):
    variables = [scale * np.asarray(variable.value) for variable in given(2)]
    both = with_gradients(
        lambda *a: total_of_nearest(*a, soft_max_temperature=soft_max_temperature), 3
    )
    loss, gradients = both(*variables)
    assert np.isfinite(loss)
    assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)


def test_no_tensor_of_the_nearest_holds_all_logits():
    shapes = traced_shapes(
        lambda *arrays: total_of_nearest(*arrays, soft_max_temperature=0.3),
        3,
        [np.asarray(variable.value) for variable in given()],
    )
    assert max(np.prod(shape, dtype=int) for shape in shapes) < P * V * Q


# covers: A43
def test_vectors_compete_jointly_by_hand():
    # Two vectors: e² and e⁰ for the positive, e¹ and e⁻¹ for the one candidate.
    positive, negatives = np.array([[2.0, 0.0]]), np.array([[1.0, -1.0]])
    first = np.array([[1.0, 0.0]])
    joint, alone = (
        float(multi_vector_cross_entropy(positive, negatives, first, joint=j)[0])
        for j in (True, False)
    )
    assert joint == pytest.approx(log((exp(2) + 1 + exp(1) + exp(-1)) / exp(2)))
    assert alone == pytest.approx(log((exp(2) + exp(1)) / exp(2)))


# covers: A42
@pytest.mark.parametrize("joint", [True, False])
def test_one_vector_is_the_sampled_softmax(joint):
    rng = np.random.default_rng(1)
    queries, vectors = rng.normal(size=(P, 1, D)), rng.normal(size=(Q, D))
    positive = rng.normal(size=P).astype(np.float32)
    scores = (queries[:, 0] @ vectors.T).astype(np.float32)
    negatives = log_partition(queries, vectors, log_of(WEIGHTS))
    found = multi_vector_cross_entropy(
        positive[:, None], negatives.log_sum, np.ones((P, 1)), joint=joint
    )
    logits = candidate_logits(scores, log_weights(WEIGHTS), None)
    expected = sampled_softmax_cross_entropy(positive, logits)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), 1e-5, 1e-6)


# covers: A42, A43
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("assignment", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4])
def test_no_probability_underflows(joint, assignment, scale):
    # Scores up to 10,000 apart: e^-10000 is 0 in any float, its logarithm is not.
    variables = [scale * np.asarray(variable.value) for variable in given(2)]
    both = with_gradients(lambda *a: total(*a, joint=joint, assignment=assignment), 3)
    loss, gradients = both(*variables)
    assert np.isfinite(loss)
    assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)


# covers: A42
@pytest.mark.parametrize("joint", [True, False])
def test_a_small_loss_keeps_its_digits(joint):
    negatives = np.array([[-30.0, -100.0]])
    found = multi_vector_cross_entropy(
        np.array([[0.0, -200.0]]), negatives, np.array([[1.0, 0.0]]), joint=joint
    )
    np.testing.assert_allclose(np.asarray(found), [exp(-30)], 1e-5)


# covers: A37, A38
def test_a_candidate_of_weight_zero_gets_neither_probability_nor_gradient():
    queries, positives, vectors = (np.asarray(v.value).copy() for v in given())
    vectors[3] = 1e4  # however high its score
    both = with_gradients(lambda *arrays: total(*arrays, joint=True), 3)
    loss, gradients = both(queries, positives, vectors)
    to_vectors = np.asarray(gradients[2])
    assert np.isfinite(loss)
    assert not to_vectors[3].any()
    assert to_vectors[[0, 2]].any(axis=1).all()


# covers: A42
def test_a_query_without_candidates_costs_nothing():
    queries, _, vectors = (np.asarray(v.value) for v in given())
    negatives = log_partition(queries, vectors, log_of(0 * WEIGHTS))
    found = multi_vector_cross_entropy(
        np.ones((P, V)), negatives.log_sum, np.ones((P, V)), joint=False
    )
    assert not np.asarray(found).any()


def test_the_greatest_logit_is_that_of_the_best_weighted_candidate():
    queries, _, vectors = (np.asarray(v.value) for v in given())
    found = log_partition(queries, vectors, log_of(WEIGHTS))
    terms = queries @ vectors.T + log_of(WEIGHTS)[:, None]
    np.testing.assert_allclose(
        np.asarray(found.greatest)[:2], terms.max(axis=-1)[:2], 1e-5, 1e-6
    )


def test_no_tensor_is_larger_than_the_logits():
    shapes = traced_shapes(
        lambda *arrays: total(*arrays, joint=True),
        3,
        [np.asarray(variable.value) for variable in given()],
    )
    assert max(np.prod(shape, dtype=int) for shape in shapes) == P * V * Q
