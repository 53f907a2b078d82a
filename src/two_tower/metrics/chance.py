"""What a list in random order would reach: the least that any ranking must beat."""

from collections.abc import Sequence

import numpy as np

from two_tower.metrics.ranking import Figures, discounts
from two_tower.types import Int64Array


def random_figures(
    n_candidates: Int64Array, n_positives: Int64Array, *, cutoffs: Sequence[int]
) -> Figures:
    """Return the expected figures of each query when its list is shuffled.

    With P positives among the N items of a query's list, each order equally likely:

    - `hr@k`: 1 - C(N - P, k) / C(N, k), which is k / N for one positive;
    - `recall@k`: k / N · P / min(k, P);
    - `ndcg@k`: P / N times the sum of 1 / log2(r + 2) over r < k, over the same sum of
      the first min(k, P) ranks;

    each with k = N where k is more than N.

    Args:
        n_candidates: `[B]`, N of each query.
        n_positives: `[B]`, P of each query, from 1 to N.
        cutoffs: the k, each at least 1.

    Returns:
        `[B]` float64 for each figure, in [0, 1].
    """
    gain = np.cumsum(discounts(max(cutoffs)))
    share = n_positives / n_candidates
    # C(N - P, k) / C(N, k) = Π (N - k - j) / (N - j) over the j below P.
    starts = np.cumsum(n_positives) - n_positives
    before = np.arange(n_positives.sum()) - np.repeat(starts, n_positives)
    left = np.repeat(n_candidates, n_positives) - before
    figures = {}
    for k in cutoffs:
        listed = np.minimum(k, n_candidates)
        ideal = np.minimum(k, n_positives)
        is_missed = np.multiply.reduceat(np.maximum(left - k, 0) / left, starts)
        figures[f"hr@{k}"] = 1 - is_missed
        figures[f"recall@{k}"] = listed * share / ideal
        figures[f"ndcg@{k}"] = share * gain[listed - 1] / gain[ideal - 1]
    return figures
