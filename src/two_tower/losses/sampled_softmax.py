"""Softmax cross-entropy of a positive against negatives of its own."""

from keras import ops

from two_tower.losses.softmax import SMALLEST_WEIGHT
from two_tower.types import MASKED_LOGIT, Tensor


def without_hits(negative_weights: Tensor, ids: Tensor, labels: Tensor) -> Tensor:
    """Return the weights, with 0 where a negative is the positive itself.

    Args:
        negative_weights: `[P, n]` float32, or `[n]` where all positives share them.
        ids: `[P, n]` int32 dense ids of the negatives, or `[1, n]`.
        labels: `[P]` int32 dense ids of the positives.

    Returns:
        `[P, n]` float32.
    """
    is_hit = ops.equal(ids, ops.expand_dims(labels, 1))
    return ops.where(is_hit, 0.0, negative_weights)


def sampled_softmax_cross_entropy(
    positive: Tensor,
    negative: Tensor,
    negative_weights: Tensor,
    log_q: Tensor,
    own_log_q: Tensor,
    *,
    smoothing: float = 0.0,
) -> Tensor:
    """Return each positive's cross-entropy against itself and its negatives.

    -log( exp s⁺ / (exp s⁺ + Σ_j w_j · exp s_j) ), s = score - log q. The scores have
    been divided by the temperature before; what is masked (`without_hits`) comes with
    weight 0.

    With `smoothing` ε the target is (1 - ε) · the own item + ε · an equal share of the
    own item and of its negatives by their weights.

    Args:
        positive: `[P]` float, scores of the positives over the temperature.
        negative: `[P, n]` float, the same of their negatives.
        negative_weights: `[P, n]` float, how many negatives each stands for; 0 leaves
            it out.
        log_q: `[P, n]` float, natural log of the expected number of times that the
            source draws the negative.
        own_log_q: `[P]` float, the same of the positive; 0 if it is there for sure.
        smoothing: ε in [0, 1).

    Returns:
        `[P]` float32 in nats, not reduced.
    """
    positive, negative, weights, log_q, own_log_q = (
        ops.cast(tensor, "float32")
        for tensor in (positive, negative, negative_weights, log_q, own_log_q)
    )
    own = positive - own_log_q
    log_weights = ops.log(ops.maximum(weights, SMALLEST_WEIGHT))
    others = ops.where(weights > 0, negative - log_q + log_weights, MASKED_LOGIT)
    # log(1 + e^x) keeps the digits of a small loss, which log Σ e^s - s⁺ would cancel.
    losses = ops.softplus(ops.logsumexp(others, axis=-1) - own)
    if not smoothing:
        return losses
    leads = weights * (ops.expand_dims(own, 1) - (negative - log_q))
    return losses + smoothing * ops.sum(leads, axis=-1) / (
        1 + ops.sum(weights, axis=-1)
    )
