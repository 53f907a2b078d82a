"""A softmax whose terms count by weights."""

from collections.abc import Sequence

from keras import ops

from two_tower.types import MASKED_LOGIT, Tensor


def weighted_softmax(
    logits: Tensor, weights: Tensor, axis: int | Sequence[int]
) -> Tensor:
    """Return `w · exp(logit)` over its sum.

    What has weight 0 gets exactly 0 and, whatever its logit is, changes nothing else.
    Where all weights are 0, so is the result.

    Args:
        logits: `[...]` float32.
        weights: `[...]` float32, at least 0, of a shape that broadcasts to it.
        axis: one axis or several, over which the result sums to 1.

    Returns:
        `[...]` float32.
    """
    counts = ops.greater(weights, 0)
    logits = ops.where(counts, logits, MASKED_LOGIT)
    # It cancels out of the quotient, so the gradient may take it for a constant.
    greatest = ops.stop_gradient(ops.max(logits, axis=axis, keepdims=True))
    terms = weights * ops.exp(logits - greatest)
    total = ops.sum(terms, axis=axis, keepdims=True)
    return terms / ops.where(total > 0, total, 1.0)
