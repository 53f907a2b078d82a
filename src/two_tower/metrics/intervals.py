"""How sure a mean over queries is: bootstrap intervals."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

DRAWS_PER_BLOCK: Final = 1 << 20  # 8 MB of counts at a time


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap percentile interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: npt.NDArray[np.float64], *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Return the mean over queries and the interval it falls in for other queries.

    As many queries are drawn with replacement as there are, `resamples` times over; the
    interval holds the middle `confidence` of the means. For the difference of two
    systems give the difference of each query's figures: that is the paired bootstrap,
    in which what makes a query hard for both cancels out.

    Queries of equal value are drawn together, by one multinomial over the distinct
    values: the same distribution, at a cost that for a hit rate doesn't depend on the
    number of queries.

    Args:
        values: `[B]`, one figure of each query, B at least 1.
        resamples: how often the queries are drawn.
        confidence: between 0 and 1.
        seed: of the draws.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    distinct, counts = np.unique(values, return_counts=True)
    rng = np.random.default_rng(seed)
    block = max(1, DRAWS_PER_BLOCK // len(distinct))
    means = [
        rng.multinomial(
            len(values), counts / len(values), size=min(block, resamples - done)
        )
        @ distinct
        / len(values)
        for done in range(0, resamples, block)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high))
