"""Accuracy metrics of each query: hit rate, recall, NDCG and reciprocal rank."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.ragged import Ragged

QueryMetrics: TypeAlias = Mapping[str, npt.NDArray[np.float64]]
"""Metric name → `[B]`, its value for each query."""


def query_metrics(ranks: Ragged, *, cutoffs: Sequence[int]) -> QueryMetrics:
    """Return the accuracy metrics of each query.

    With r the ranks (from 0) of a query's P positives, its metrics are

    - `hr@k`: 1 if any r < k, else 0;
    - `recall@k`: number of r < k, divided by min(k, P); equals `hr@k` when P = 1;
    - `ndcg@k`: sum of 1 / log2(r + 2) over r < k, divided by the sum for the ideal
      ranks 0 … min(k, P) - 1;
    - `mrr`: 1 / (min r + 1), without a cut-off.

    Args:
        ranks: one row per query, of at least one rank; infinity for a positive outside
            the list.
        cutoffs: the k, each at least 1.

    Returns:
        `[B]` float64 for each metric, in [0, 1].

    Raises:
        ValueError: if a query has no positive.

    References:
        Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques,
        ACM TOIS 20(4), 2002.
    """
    n_positives = ranks.lengths
    if not n_positives.all():
        raise ValueError(
            f"{(n_positives == 0).sum()} of {len(ranks)} queries have no positive; "
            "leave them out"
        )
    rank = ranks.values.astype(np.float64)
    discount = 1 / np.log2(rank + 2)
    ideal = np.cumsum(discounts(max(cutoffs)))
    metrics = {}
    for k in cutoffs:
        hit = rank < k
        best = np.minimum(k, n_positives)
        n_hits = _sum(hit, ranks)
        metrics[f"hr@{k}"] = (n_hits > 0).astype(np.float64)
        metrics[f"recall@{k}"] = n_hits / best
        metrics[f"ndcg@{k}"] = _sum(discount * hit, ranks) / ideal[best - 1]
    first = np.full(len(ranks), np.inf)
    np.minimum.at(first, ranks.rows, rank)
    metrics["mrr"] = 1 / (first + 1)
    return metrics


def discounts(n: int) -> npt.NDArray[np.float64]:
    """Return `[n]`, the gain in DCG of a positive at each of the ranks 0 … n - 1."""
    return 1 / np.log2(np.arange(n) + 2)


def mean_metrics(metrics: QueryMetrics) -> dict[str, float]:
    """Return the mean of each metric over the queries, at least one of them."""
    return {name: float(values.mean()) for name, values in metrics.items()}


def _sum(values: npt.NDArray[Any], ranks: Ragged) -> npt.NDArray[np.float64]:
    """Return `[B]`, the sum over each query's positives."""
    weights = values.astype(np.float64)
    return np.bincount(ranks.rows, weights, len(ranks)).astype(np.float64)
