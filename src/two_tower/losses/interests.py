"""What keeps the heads of a user's interests alive, decided, and about something.

All take a weight for each of P places, 0 for padding, and return a mean over the rest:
0 where there is none.
"""

from keras import ops

from two_tower.losses.softmax import SMALLEST_WEIGHT
from two_tower.types import MASKED_LOGIT, Tensor


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of `[P]` or `[P, …]` values over places, weighted by `[P]`."""
    total = ops.tensordot(weights, values, axes=1)
    return total / ops.maximum(ops.sum(weights), SMALLEST_WEIGHT)


def dead_heads(log_posterior: Tensor, weights: Tensor) -> Tensor:
    """Return how far the heads that few items are for lack of an equal share.

    Σ_h (1/H) · relu(log(1/H) - log mean_p p_h).

    Args:
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32.

    Returns:
        A float32 scalar in nats, 0 where all heads have the same share.
    """
    log_weights = ops.log(ops.maximum(weights, SMALLEST_WEIGHT))
    log_weights = ops.where(weights > 0, log_weights, MASKED_LOGIT)
    # The log of the mean, without a p that rounds to 0.
    totals = ops.logsumexp(log_posterior + ops.expand_dims(log_weights, 1), axis=0)
    log_means = totals - ops.log(ops.maximum(ops.sum(weights), SMALLEST_WEIGHT))
    even = -ops.log(ops.cast(log_posterior.shape[1], "float32"))
    return ops.mean(ops.relu(even - log_means)) * ops.cast(
        ops.any(weights > 0), "float32"
    )


def sharpness(log_posterior: Tensor, weights: Tensor, *, enough: float) -> Tensor:
    """Return the mean of -log max_h p_h, where more than `enough` counts as 1.

    Args:
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32.
        enough: a probability in (0, 1].

    Returns:
        A float32 scalar in nats.
    """
    # The gradient of a maximum asks which element equals it. XLA may compute it twice,
    # rounded otherwise: then none does, and the gradient is 0/0.
    n_heads = log_posterior.shape[1]
    first = ops.one_hot(ops.argmax(log_posterior, axis=-1), n_heads, dtype="float32")
    greatest = ops.sum(log_posterior * first, axis=-1)
    is_enough = greatest > ops.log(ops.cast(enough, "float32"))
    return weighted_mean(ops.where(is_enough, 0.0, -greatest), weights)


def semantic(
    cosines: Tensor,
    log_posterior: Tensor,
    weights: Tensor,
    *,
    temperature: float | Tensor,
) -> Tensor:
    """Return how well the heads' likeness to a positive tells its category's heads.

    -mean Σ_h p_h · log softmax_h(cos(head_h, positive) / τ).

    Args:
        cosines: `[P, H]` float32, of each head and the positive.
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32.
        temperature: τ, above 0.

    Returns:
        A float32 scalar in nats.
    """
    log_likeness = ops.log_softmax(cosines / temperature, axis=-1)
    cross_entropy = -ops.sum(ops.exp(log_posterior) * log_likeness, axis=-1)
    return weighted_mean(cross_entropy, weights)
