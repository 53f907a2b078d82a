"""How alike two incomplete views of an item are, among other items."""

from keras import ops

from two_tower.types import Tensor


def contrastive(left: Tensor, right: Tensor, *, temperature: float | Tensor) -> Tensor:
    """Return the cross-entropy of finding each item's right view by its left one.

    -log( exp(l_i · r_i / τ) / Σ_j exp(l_i · r_j / τ) ), j over all S items. Items are
    drawn uniformly, so there is no sampling bias to correct, and nothing is masked: an
    item that is drawn twice is told from itself.

    Args:
        left: `[S, D]` float, vectors of the left views.
        right: `[S, D]` float, vectors of the right views, in the same order.
        temperature: divides the products; above 0.

    Returns:
        `[S]` float32 in nats, not reduced.

    References:
        Yao et al., Self-supervised Learning for Large-scale Item Recommendations,
        CIKM 2021, section 3.2.
    """
    left, right = ops.cast(left, "float32"), ops.cast(right, "float32")
    logits = ops.matmul(left / temperature, ops.transpose(right))
    return ops.logsumexp(logits, axis=-1) - ops.diagonal(logits)
