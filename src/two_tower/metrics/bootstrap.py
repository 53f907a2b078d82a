"""How sure a mean over queries is: bootstrap intervals."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.chunking import row_slices
from two_tower.metrics.accuracy import Figures

DRAWS_PER_BLOCK: Final = 1 << 20  # 8 MB of counts at a time


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap percentile interval."""

    mean: float
    low: float
    high: float


def bootstrap_intervals(
    figures: Figures, *, resamples: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """Return each figure's mean, and the interval it falls in for other queries.

    As many queries are drawn with replacement as there are, `resamples` times over,
    the same ones for all figures; an interval holds the middle `confidence` of the
    means. For the difference of two systems give the difference of each query's
    figures: that is the paired bootstrap, in which what makes a query hard for both
    cancels out.

    Args:
        figures: `[B]` of each figure, B at least 1.
        resamples: how often the queries are drawn.
        confidence: between 0 and 1.
        seed: of the draws.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    values = np.column_stack(list(figures.values()))
    n_queries = len(values)
    rng = np.random.default_rng(seed)
    means = []
    for drawing in row_slices(resamples, DRAWS_PER_BLOCK // n_queries):
        size = drawing.stop - drawing.start
        drawn = rng.integers(0, n_queries, (size, n_queries))
        # How often each query was drawn in each resample, counted in one go.
        drawn += n_queries * np.arange(size)[:, np.newaxis]
        counts = np.bincount(drawn.ravel(), minlength=size * n_queries)
        means.append(counts.reshape(size, n_queries) @ values / n_queries)
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail], axis=0)
    rows = np.column_stack([values.mean(axis=0), low, high]).tolist()
    return {name: Interval(*row) for name, row in zip(figures, rows, strict=True)}


def paired_difference(first: Figures, second: Figures) -> Figures:
    """Return the first system's figures less the second's, query by query.

    A figure that the second doesn't have is left out.
    """
    return {name: first[name] - second[name] for name in first if name in second}
