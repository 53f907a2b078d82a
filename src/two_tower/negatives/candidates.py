"""What every source of negatives hands to every loss."""

from typing import NamedTuple

import numpy as np
from keras import ops

from two_tower.types import FIRST_ID, FloatArray, Tensor

# An item that training never saw has share 0; this keeps its logarithm finite.
SMALLEST_SHARE = 1e-8


class Candidates(NamedTuple):
    """The items that a batch of queries is told apart from.

    Attributes:
        ids: `[Q]` int32 dense item ids.
        weights: `[Q]` float32, how many negatives a column stands for; 0 leaves it
            out.
        log_q: `[Q]` float32, natural log of the probability with which the source
            draws the column's item (≤ 0; 0 where every item is there for sure).
        own_log_q: `[P]` float32, the same for each query's own item.
    """

    ids: Tensor
    weights: Tensor
    log_q: Tensor
    own_log_q: Tensor


def whole_catalogue(n_items: int, labels: Tensor) -> Candidates:
    """Return every real item, once and for sure.

    Args:
        n_items: rows of the item table, reserved ids included.
        labels: `[P]` int32 dense ids of the positives.
    """
    ids = ops.arange(FIRST_ID, n_items, dtype="int32")
    certain = ops.zeros_like(ids, dtype="float32")
    own_certain = ops.zeros_like(labels, dtype="float32")
    return Candidates(ids, ops.ones_like(certain), certain, own_certain)


def in_batch(labels: Tensor, weights: Tensor, log_shares: Tensor) -> Candidates:
    """Return the positives of the batch itself.

    An item is there as often as it is popular, which `log_q` makes up for.

    Args:
        labels: `[P]` int32 dense ids of the positives.
        weights: `[P]` float32, 0 for padding.
        log_shares: `[n_items]` float32 from `log_share_of_rows`, or zeros for no
            correction.

    References:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations, RecSys 2019.
    """
    log_q = ops.take(log_shares, labels, axis=0)
    is_drawn = ops.cast(weights > 0, "float32")
    return Candidates(labels, is_drawn, log_q, log_q)


def log_share_of_rows(counts: np.ndarray) -> FloatArray:
    """Return the natural log of each item's share of all training positives.

    Args:
        counts: `[n_items]` int, training positives of each dense id.

    Returns:
        `[n_items]` float32, from log 1e-8 for items without any up to 0.
    """
    shares = counts / max(int(counts.sum()), 1)
    return np.log(np.clip(shares, SMALLEST_SHARE, 1.0)).astype(np.float32)
