"""Contrastive loss of two incomplete views of each item."""

from keras import ops

from two_tower.types import Tensor


def contrastive(logits: Tensor) -> Tensor:
    """Return the cross-entropy of finding each item's right view by its left one.

    -log( exp s_ii / Σ_j exp s_ij ), j over all S items. Items are sampled uniformly, so
    there is no sampling bias to correct, and nothing is masked: an item that is sampled
    twice is a negative of itself.

    Args:
        logits: `[S, S]` float, left view i against right view j.

    Returns:
        `[S]` float32 in nats, not reduced.

    References:
        Yao et al., Self-supervised Learning for Large-scale Item Recommendations,
        CIKM 2021, section 3.2.
    """
    logits = ops.cast(logits, "float32")
    return ops.logsumexp(logits, axis=-1) - ops.diagonal(logits)
