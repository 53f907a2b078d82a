"""Figures of a ranking: hit rate, recall, NDCG and reciprocal rank of each query."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.ragged import Ragged

Figures: TypeAlias = Mapping[str, npt.NDArray[np.float64]]


def query_figures(ranks: Ragged, *, cutoffs: Sequence[int]) -> Figures:
    """Return how well each query's positives are ranked.

    With r the ranks from 0 of a query's P positives, the figures of that query are

    - `hr@k`: 1 if any r < k, else 0;
    - `recall@k`: number of r < k, over min(k, P); the same as `hr@k` when P = 1;
    - `ndcg@k`: sum of 1 / log2(r + 2) over r < k, over the same sum with the positives
      at the ranks 0 … min(k, P) - 1, the best there can be;
    - `mrr`: 1 / (min r + 1), without a cut-off.

    Args:
        ranks: one row per query, of at least one rank; infinity for a positive that is
            not in the list.
        cutoffs: the k, each at least 1.

    Returns:
        `[B]` float64 for each figure, in [0, 1].

    Raises:
        ValueError: if a query has no positive.

    References:
        Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques,
        ACM TOIS 20(4), 2002.
    """
    n_positives = ranks.lengths
    if not n_positives.all():
        raise ValueError(
            f"{(n_positives == 0).sum()} of {len(ranks)} queries have no positive, so "
            "there is nothing to measure; leave them out"
        )
    rank = ranks.values.astype(np.float64)
    discount = 1 / np.log2(rank + 2)
    ideal = np.cumsum(discounts(max(cutoffs)))
    figures = {}
    for k in cutoffs:
        hit = rank < k
        best = np.minimum(k, n_positives)
        n_hits = _sum(hit, ranks)
        figures[f"hr@{k}"] = (n_hits > 0).astype(np.float64)
        figures[f"recall@{k}"] = n_hits / best
        figures[f"ndcg@{k}"] = _sum(discount * hit, ranks) / ideal[best - 1]
    first = np.full(len(ranks), np.inf)
    np.minimum.at(first, ranks.rows, rank)
    figures["mrr"] = 1 / (first + 1)
    return figures


def discounts(n: int) -> npt.NDArray[np.float64]:
    """Return `[n]`, what a positive at each of the first n ranks adds to the DCG."""
    return 1 / np.log2(np.arange(n) + 2)


def mean_figures(figures: Figures) -> dict[str, float]:
    """Return each figure's mean over the queries, of which there is at least one."""
    return {name: float(values.mean()) for name, values in figures.items()}


def _sum(values: npt.NDArray[Any], ranks: Ragged) -> npt.NDArray[np.float64]:
    """Return `[B]`, the sum over each query's positives."""
    weights = values.astype(np.float64)
    return np.bincount(ranks.rows, weights, len(ranks)).astype(np.float64)
