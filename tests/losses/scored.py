"""Every loss as a function of logits, beside its definition in float64.

A case is `positive` [P], `negative` [P, n] and `weights` [P, n]; the temperature is 1
and nothing is corrected, so that one set of tests fits all.
"""

from collections.abc import Callable
from math import exp, log
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from two_tower.losses.contrastive import contrastive
from two_tower.losses.logits import candidate_bias, candidate_logits
from two_tower.losses.pointwise import max_margin, sigmoid_cross_entropy
from two_tower.losses.sampled_softmax import sampled_softmax_cross_entropy
from two_tower.losses.softmax import Excluded, score_shared, softmax_cross_entropy
from two_tower.negatives.base import Candidates

MARGIN = 0.75


class Loss(NamedTuple):
    """A loss, and its value for one positive by definition.

    Attributes:
        total: from positive, negative, weights to the sum over positives.
        definition: from a positive's logit, its negatives' and their weights.
        alone: the loss of a positive without negatives, by its logit.
        equal: the loss where the logits of n negatives and the positive are 0.
    """

    total: Callable[..., Any]
    definition: Callable[..., float]
    alone: Callable[[float], float]
    equal: Callable[[int], float]


def softplus(score: float) -> float:
    """Return log(1 + e^score)."""
    return float(np.logaddexp(0, score))


def softmax_of(positive: float, negative: Any, weights: Any) -> float:
    """Return -log of the positive's share of Σ w e^s."""
    others = sum(w * exp(score) for score, w in zip(negative, weights, strict=True))
    return log((exp(positive) + others) / exp(positive))


def sigmoid_of(positive: float, negative: Any, weights: Any) -> float:
    """Return the mean binary cross-entropy of the labels, sigmoids spelt out."""
    chosen = -log(1 / (1 + exp(-positive)))
    pairs = zip(negative, weights, strict=True)
    sampled = sum(-w * log(1 - 1 / (1 + exp(-score))) for score, w in pairs)
    return (chosen + sampled) / (1 + sum(weights))


def margin_of(positive: float, negative: Any, weights: Any) -> float:
    """Return the mean of what each negative's distance lacks of the margin."""
    pairs = zip(negative, weights, strict=True)
    lacking = sum(w * max(MARGIN + score - positive, 0) for score, w in pairs)
    return lacking / sum(weights)


def sampled_total(positive: Any, negative: Any, weights: Any) -> Any:
    """Return the sampled softmax without a correction."""
    bias = candidate_bias(ops.cast(weights, "float32"), 0.0)
    others = candidate_logits(ops.cast(negative, "float32"), bias, None)
    return ops.sum(sampled_softmax_cross_entropy(positive, others))


def chunked_total(positive: Any, negative: Any, weights: Any) -> Any:
    """Return the chunked softmax, of unit vectors, so that queries are the logits.

    Weights are 0 or 1; a 0 is an excluded column.
    """
    n_queries, n = weights.shape
    axes = np.eye(n + 1, dtype=np.float32)
    ones, none = np.ones(n, np.float32), np.zeros(n, np.float32)
    own = np.zeros(n_queries, np.float32)
    ids = np.arange(3, 3 + n, dtype=np.int32)
    logits = score_shared(
        ops.concatenate([ops.expand_dims(positive, 1), negative], axis=1),
        ops.cast(np.repeat(axes[:1], n_queries, axis=0), negative.dtype),
        np.full(n_queries, 2, np.int32),
        np.ones(n_queries, np.float32),
        ops.cast(axes[1:], negative.dtype),
        Candidates(ids, ones, none, own),
        temperature=1.0,
    )
    return softmax_cross_entropy(
        *logits,
        mask_hits=True,
        chunk=1,
        excluded=Excluded(weights == 0, np.arange(n_queries, dtype=np.int32)),
    )


def square(positive: Any, negative: Any) -> Any:
    """Return [P, P] logits: positives on the diagonal, [P, P - 1] others around it."""
    n_rows = positive.shape[0]
    order = [
        [
            0 if row == column else 1 + column - (column > row)
            for column in range(n_rows)
        ]
        for row in range(n_rows)
    ]
    scores = ops.concatenate([ops.expand_dims(positive, 1), negative], axis=1)
    return ops.take_along_axis(scores, np.array(order), axis=1)


def contrastive_total(positive: Any, negative: Any, weights: Any) -> Any:
    """Return the contrastive loss of P = n + 1 items; every weight is 1."""
    assert (weights == 1).all()
    return ops.sum(contrastive(square(positive, negative)))


LOSSES = {
    "softmax": Loss(
        chunked_total, softmax_of, alone=lambda _: 0.0, equal=lambda n: log(1 + n)
    ),
    "sampled_softmax": Loss(
        sampled_total, softmax_of, alone=lambda _: 0.0, equal=lambda n: log(1 + n)
    ),
    "sigmoid_cross_entropy": Loss(
        lambda *case: ops.sum(sigmoid_cross_entropy(*case)),
        sigmoid_of,
        alone=lambda score: softplus(-score),
        equal=lambda _: log(2),
    ),
    "max_margin": Loss(
        lambda *case: ops.sum(max_margin(*case, margin=MARGIN)),
        margin_of,
        alone=lambda _: 0.0,
        equal=lambda _: MARGIN,
    ),
}

CONTRASTIVE = Loss(
    contrastive_total, softmax_of, alone=lambda _: 0.0, equal=lambda n: log(1 + n)
)
