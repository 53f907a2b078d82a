"""Losses of a positive and each of its negatives.

A negative of weight 0 is masked; one of weight w counts as w negatives.
"""

from keras import ops

from two_tower.types import Tensor


def sigmoid_cross_entropy(
    positive: Tensor, negative: Tensor, negative_weights: Tensor
) -> Tensor:
    """Return the mean binary cross-entropy of each positive and its negatives.

    ( -log sigmoid(s⁺) - Σ_j w_j · log(1 - sigmoid(s_j)) ) / (1 + Σ_j w_j).

    Args:
        positive: `[P]` float, logits of the positives.
        negative: `[P, n]` float, logits of their negatives.
        negative_weights: `[P, n]` float, 0 or more.

    Returns:
        `[P]` float32 in nats, not reduced.
    """
    positive, negative, weights = _as_float32(positive, negative, negative_weights)
    # softplus(s) is -log(1 - sigmoid(s)), without a sigmoid that rounds to 1.
    of_negatives = ops.sum(weights * ops.softplus(negative), axis=-1)
    return (ops.softplus(-positive) + of_negatives) / (1 + ops.sum(weights, axis=-1))


def max_margin(
    positive: Tensor, negative: Tensor, negative_weights: Tensor, *, margin: float
) -> Tensor:
    """Return the mean hinge loss of each positive against its negatives.

    Σ_j w_j · relu(margin + s_j - s⁺) / Σ_j w_j; 0 without negatives.

    Args:
        positive: `[P]` float, logits of the positives.
        negative: `[P, n]` float, logits of their negatives.
        negative_weights: `[P, n]` float, 0 or more.
        margin: required lead of the positive, in units of the logits; above 0.

    Returns:
        `[P]` float32, not reduced.
    """
    positive, negative, weights = _as_float32(positive, negative, negative_weights)
    lacking = ops.relu(margin + negative - ops.expand_dims(positive, 1))
    n_negatives = ops.sum(weights, axis=-1)
    total = ops.sum(weights * lacking, axis=-1)
    return total / ops.where(n_negatives > 0, n_negatives, 1.0)


def _as_float32(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(ops.cast(tensor, "float32") for tensor in tensors)
