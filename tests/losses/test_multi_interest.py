"""Users of several vectors, told apart from shared candidates."""

from math import exp, log

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, traced_shapes, with_gradients
from two_tower.losses.multi_interest import (
    mixture_cross_entropy,
    multi_vector_cross_entropy,
    score_of_nearest,
    score_rivals,
    score_rivals_of_nearest,
)
from two_tower.losses.sampled_softmax import sampled_softmax_cross_entropy
from two_tower.types import MASKED_LOGIT

pytestmark = pytest.mark.backend

P, V, Q, D = 3, 2, 5, 4
TEMPERATURE, MARGIN = 0.5, 0.1
# Candidate 3 is nobody's; place 2 has none at all.
WEIGHTS = np.array([[1, 0, 2, 0, 0.5], [1, 1, 0, 0, 3], [0, 0, 0, 0, 0]], np.float32)
SHARES = np.array([[0.25, 0.75], [1, 0], [0.5, 0.5]], np.float32)


def log_of(weights):
    """Return log weights as the loss takes them."""
    with np.errstate(divide="ignore"):
        return np.where(weights > 0, np.log(weights), MASKED_LOGIT).astype(np.float32)


def given(seed=0):
    """Return queries [P, V, D], positives [P, D], candidates [Q, D] as variables."""
    rng = np.random.default_rng(seed)
    shapes = [(P, V, D), (P, D), (Q, D)]
    arrays = [rng.normal(size=shape).astype(np.float32) / 2 for shape in shapes]
    return [keras.Variable(array) for array in arrays]


CREDITS = {"category": multi_vector_cross_entropy, "mixture": mixture_cross_entropy}


def total(
    queries, positives, vectors, *, joint, weights=WEIGHTS, assignment="category"
):
    """Return the sum over places, from vectors, as an objective calls the loss."""
    scores = ops.sum(queries * ops.expand_dims(positives, 1), axis=-1)
    log_weights = log_of(weights) if weights is not None else np.zeros((1, Q))
    rivals = score_rivals(queries / TEMPERATURE, vectors, log_weights)
    positive = (scores - MARGIN) / TEMPERATURE
    losses = CREDITS[assignment](positive, rivals.log_sum, SHARES, joint=joint)
    return ops.sum(losses)


def defined(
    queries, positives, vectors, *, joint, weights=WEIGHTS, assignment="category"
):
    """Return the same by definition: probabilities, then their logarithms."""
    weights = np.ones((P, Q)) if weights is None else weights.astype(np.float64)
    result = 0.0
    for p in range(P):
        own = np.exp((queries[p] @ positives[p] - MARGIN) / TEMPERATURE)
        others = np.exp(queries[p] @ vectors.T / TEMPERATURE) @ weights[p]
        whole = (own + others).sum() if joint else own + others
        shares, explained = SHARES[p].astype(np.float64), own / whole
        if assignment == "mixture":
            result -= log(shares @ explained)
        else:
            result -= shares @ np.log(explained)
    return result


# covers: A42, A43, A44
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("weights", [WEIGHTS, None], ids=["weighted", "unweighted"])
@pytest.mark.parametrize("assignment", CREDITS)
def test_value_and_gradients_follow_the_definition(joint, weights, assignment):
    variables = given()
    options = {"joint": joint, "weights": weights, "assignment": assignment}
    assert_same_as(
        lambda *arrays: defined(*arrays, **options),
        lambda: total(*(variable.value for variable in variables), **options),
        variables,
    )


def total_of_nearest(queries, positives, vectors, *, soft_max_temperature):
    """Return the sum over places of the loss by the softly nearest vector."""
    scores = ops.sum(queries * ops.expand_dims(positives, 1), axis=-1)
    positive = score_of_nearest((scores - MARGIN) / TEMPERATURE, soft_max_temperature)
    rivals = score_rivals_of_nearest(
        queries / TEMPERATURE, vectors, log_of(WEIGHTS), soft_max_temperature
    )
    ones = ops.ones_like(positive)
    return ops.sum(mixture_cross_entropy(positive, rivals.log_sum, ones, joint=True))


def defined_of_nearest(queries, positives, vectors, *, soft_max_temperature):
    """Return the same by definition, exponentials and powers."""
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
def test_hardly_soft_it_is_the_softmax_of_the_greatest_scores():
    queries, _, vectors = (np.asarray(v.value) for v in given())
    greatest = (queries @ vectors.T).max(axis=1) + log_of(WEIGHTS)
    rivals = score_rivals_of_nearest(queries, vectors, log_of(WEIGHTS), 1e-4)
    sums = np.log(np.exp(greatest[:2]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.asarray(rivals.log_sum)[:2], sums, 1e-4)
    np.testing.assert_allclose(
        np.asarray(rivals.greatest)[:2, 0], greatest[:2].max(axis=1), 1e-4
    )


# covers: A43
def test_at_softness_one_it_is_the_softmax_over_all_pairs_of_vector_and_item():
    variables = [np.asarray(variable.value) for variable in given()]
    scores = np.einsum("pvd,pd->pv", *variables[:2])
    positive = ((scores - MARGIN) / TEMPERATURE).astype(np.float32)
    rivals = score_rivals(
        variables[0] / TEMPERATURE, variables[2], log_of(WEIGHTS)
    ).log_sum
    pairs = mixture_cross_entropy(positive, rivals, np.ones((P, V)), joint=True)
    merged = total_of_nearest(*variables, soft_max_temperature=1.0)
    assert float(merged) == pytest.approx(float(ops.sum(pairs)), rel=1e-5)


# covers: A42
@pytest.mark.parametrize("soft_max_temperature", [1.0, 0.01])
def test_a_single_vector_is_the_nearest_however_soft(soft_max_temperature):
    queries, _, vectors = (np.asarray(v.value) for v in given())
    one = queries[:, :1]
    found = score_rivals_of_nearest(one, vectors, log_of(WEIGHTS), soft_max_temperature)
    plain = score_rivals(one, vectors, log_of(WEIGHTS))
    np.testing.assert_allclose(*map(np.asarray, (found.log_sum, plain.log_sum)), 1e-5)


# covers: A37, A38
def test_a_candidate_of_weight_zero_is_no_rival_of_the_nearest():
    queries, positives, vectors = (np.array(v.value) for v in given())
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
def test_nothing_overflows_of_the_nearest(soft_max_temperature, scale):
    variables = [scale * np.asarray(variable.value) for variable in given(2)]
    both = with_gradients(
        lambda *a: total_of_nearest(*a, soft_max_temperature=soft_max_temperature), 3
    )
    loss, gradients = both(*variables)
    assert np.isfinite(loss)
    assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)


def test_nothing_of_the_nearest_is_as_large_as_all_logits():
    shapes = traced_shapes(
        lambda *arrays: total_of_nearest(*arrays, soft_max_temperature=0.3),
        3,
        [np.asarray(variable.value) for variable in given()],
    )
    assert max(np.prod(shape, dtype=int) for shape in shapes) < P * V * Q


# covers: A43
def test_vectors_compete_jointly_by_hand():
    # Two vectors: e² and e⁰ for the positive, e¹ and e⁻¹ for the one candidate.
    positive, rivals = np.array([[2.0, 0.0]]), np.array([[1.0, -1.0]])
    all_for_the_first = np.array([[1.0, 0.0]])
    joint, alone = (
        float(
            multi_vector_cross_entropy(positive, rivals, all_for_the_first, joint=j)[0]
        )
        for j in (True, False)
    )
    assert joint == pytest.approx(log((exp(2) + 1 + exp(1) + exp(-1)) / exp(2)))
    assert alone == pytest.approx(log((exp(2) + exp(1)) / exp(2)))


# covers: A42
@pytest.mark.parametrize("joint", [True, False])
def test_one_vector_is_the_usual_sampled_softmax(joint):
    rng = np.random.default_rng(1)
    queries, vectors = rng.normal(size=(P, 1, D)), rng.normal(size=(Q, D))
    positive = rng.normal(size=P).astype(np.float32)
    scores = (queries[:, 0] @ vectors.T).astype(np.float32)
    rivals = score_rivals(queries, vectors, log_of(WEIGHTS))
    found = multi_vector_cross_entropy(
        positive[:, None], rivals.log_sum, np.ones((P, 1)), joint=joint
    )
    zeros = np.zeros((P, Q), np.float32), np.zeros(P, np.float32)
    expected = sampled_softmax_cross_entropy(positive, scores, WEIGHTS, *zeros)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), 1e-5, 1e-6)


# covers: A42, A43
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("assignment", CREDITS)
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
    rivals = np.array([[-30.0, -100.0]])
    found = multi_vector_cross_entropy(
        np.array([[0.0, -200.0]]), rivals, np.array([[1.0, 0.0]]), joint=joint
    )
    np.testing.assert_allclose(np.asarray(found), [exp(-30)], 1e-5)


# covers: A37, A38
def test_a_candidate_of_weight_zero_gets_neither_probability_nor_gradient():
    queries, positives, vectors = (np.array(v.value) for v in given())
    vectors[3] = 1e4  # however high its score
    both = with_gradients(lambda *arrays: total(*arrays, joint=True), 3)
    loss, gradients = both(queries, positives, vectors)
    to_vectors = np.asarray(gradients[2])
    assert np.isfinite(loss)
    assert not to_vectors[3].any()
    assert to_vectors[[0, 2]].any(axis=1).all()


# covers: A42
def test_without_any_rival_a_place_costs_nothing():
    queries, _, vectors = (np.asarray(v.value) for v in given())
    rivals = score_rivals(queries, vectors, log_of(0 * WEIGHTS))
    found = multi_vector_cross_entropy(
        np.ones((P, V)), rivals.log_sum, np.ones((P, V)), joint=False
    )
    assert not np.asarray(found).any()


def test_the_greatest_term_is_the_best_weighted_candidates():
    queries, _, vectors = (np.asarray(v.value) for v in given())
    rivals = score_rivals(queries, vectors, log_of(WEIGHTS))
    terms = queries @ vectors.T + log_of(WEIGHTS)[:, None]
    np.testing.assert_allclose(
        np.asarray(rivals.greatest)[:2], terms.max(axis=-1)[:2], 1e-5, 1e-6
    )


def test_nothing_is_larger_than_the_logits():
    shapes = traced_shapes(
        lambda *arrays: total(*arrays, joint=True),
        3,
        [np.asarray(variable.value) for variable in given()],
    )
    assert max(np.prod(shape, dtype=int) for shape in shapes) == P * V * Q
