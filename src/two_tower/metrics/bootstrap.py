"""Bootstrap confidence intervals of metrics that are means over queries."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.chunking import row_slices
from two_tower.metrics.accuracy import QueryMetrics

SAMPLES_PER_BLOCK: Final = 1 << 20  # 8 MB of counts at a time


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap percentile interval."""

    mean: float
    low: float
    high: float


def bootstrap_intervals(
    metrics: QueryMetrics, *, resamples: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """Return the mean of each metric with its bootstrap interval.

    Each resample takes B of the B queries with replacement; all metrics share the
    resamples. An interval holds the middle `confidence` of the resampled means. For
    the difference of two systems give `paired_difference`: in this paired bootstrap
    the difficulty of a query, common to both systems, cancels out.

    Args:
        metrics: `[B]` of each metric, B at least 1.
        resamples: number of resamples.
        confidence: between 0 and 1.
        seed: seed of the resampling.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    values = np.column_stack(list(metrics.values()))
    n_queries = len(values)
    rng = np.random.default_rng(seed)
    means = []
    for block in row_slices(resamples, SAMPLES_PER_BLOCK // n_queries):
        size = block.stop - block.start
        sampled = rng.integers(0, n_queries, (size, n_queries))
        # How often each resample holds each query, counted in one call.
        sampled += n_queries * np.arange(size)[:, np.newaxis]
        counts = np.bincount(sampled.ravel(), minlength=size * n_queries)
        means.append(counts.reshape(size, n_queries) @ values / n_queries)
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail], axis=0)
    rows = np.column_stack([values.mean(axis=0), low, high]).tolist()
    return {name: Interval(*row) for name, row in zip(metrics, rows, strict=True)}


def paired_difference(first: QueryMetrics, second: QueryMetrics) -> QueryMetrics:
    """Return the metrics of the first system minus the second's, query by query.

    Only metrics that both systems have are compared.
    """
    return {name: first[name] - second[name] for name in first if name in second}
