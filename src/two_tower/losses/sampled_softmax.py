"""Softmax cross-entropy of a positive against sampled negatives."""

from keras import ops

from two_tower.types import Tensor


def sampled_softmax_cross_entropy(positive: Tensor, negative: Tensor) -> Tensor:
    """Return each positive's cross-entropy against itself and its negatives.

    -log( exp s⁺ / (exp s⁺ + Σ_j exp s_j) ).

    Args:
        positive: `[P]` float, logits of the positives.
        negative: `[P, n]` float, logits of their negatives.

    Returns:
        `[P]` float32 in nats, not reduced.
    """
    positive, negative = ops.cast(positive, "float32"), ops.cast(negative, "float32")
    # log(1 + e^x) keeps the digits of a small loss, which log Σ e^s - s⁺ would cancel.
    return ops.softplus(ops.logsumexp(negative, axis=-1) - positive)
