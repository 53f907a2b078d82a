"""Auxiliary losses of interest heads: load balancing, entropy, semantic.

Each reads log p(h | category of the positive), the heads that a category belongs to.
"""

from keras import ops

from two_tower.losses.logits import SMALLEST_WEIGHT, log_weights
from two_tower.types import Tensor


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of `[P]` or `[P, …]` values over queries, weighted by `[P]`."""
    total = ops.tensordot(weights, values, axes=1)
    return total / ops.maximum(ops.sum(weights), SMALLEST_WEIGHT)


def load_balancing(log_posterior: Tensor, weights: Tensor) -> Tensor:
    """Return how far heads are below an equal share of the positives.

    Σ_h (1/H) · relu(log(1/H) - log mean_p p_h).

    Args:
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32, 0 for padding.

    Returns:
        A float32 scalar in nats, 0 where all heads have an equal share.
    """
    # The log of the mean, without a p that rounds to 0.
    weighted = log_posterior + ops.expand_dims(log_weights(weights), 1)
    totals = ops.logsumexp(weighted, axis=0)
    log_means = totals - ops.log(ops.maximum(ops.sum(weights), SMALLEST_WEIGHT))
    even = -ops.log(ops.cast(log_posterior.shape[1], "float32"))
    return ops.mean(ops.relu(even - log_means)) * ops.cast(
        ops.any(weights > 0), "float32"
    )


def entropy(log_posterior: Tensor, weights: Tensor, *, confident: float) -> Tensor:
    """Return the mean of -log max_h p_h, 0 for categories with a confident head.

    Args:
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32, 0 for padding.
        confident: probability of the greatest head above which the loss is 0; in
            (0, 1].

    Returns:
        A float32 scalar in nats.
    """
    # The gradient of a maximum asks which element equals it. XLA may compute it twice,
    # rounded otherwise: then none does, and the gradient is 0/0.
    n_heads = log_posterior.shape[1]
    first = ops.one_hot(ops.argmax(log_posterior, axis=-1), n_heads, dtype="float32")
    greatest = ops.sum(log_posterior * first, axis=-1)
    is_confident = greatest > ops.log(ops.cast(confident, "float32"))
    return weighted_mean(ops.where(is_confident, 0.0, -greatest), weights)


def semantic(logits: Tensor, log_posterior: Tensor, weights: Tensor) -> Tensor:
    """Return the cross-entropy of a category's heads, predicted by similarity.

    -mean Σ_h p_h · log softmax_h(logit_h).

    Args:
        logits: `[P, H]` float32, cosines of each head and the positive over a
            temperature.
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32, 0 for padding.

    Returns:
        A float32 scalar in nats.
    """
    log_likeness = ops.log_softmax(logits, axis=-1)
    cross_entropy = -ops.sum(ops.exp(log_posterior) * log_likeness, axis=-1)
    return weighted_mean(cross_entropy, weights)
