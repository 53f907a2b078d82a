"""Accidental hits among negatives that each positive has of its own."""

from keras import ops

from two_tower.types import Tensor


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
