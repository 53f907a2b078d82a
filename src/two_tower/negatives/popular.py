"""Popularity-based negatives: items sampled by a power of their frequency."""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from two_tower.negatives.base import (
    Candidates,
    NegativeData,
    Positives,
    Source,
    with_certain_positives,
)
from two_tower.negatives.log_q import Frequencies
from two_tower.negatives.uniform import UniformParams
from two_tower.params import Factor
from two_tower.types import FIRST_ID, FloatArray


class PopularParams(UniformParams):
    """Items sampled by their number of training positives."""

    exponent: Factor = Field(
        ge=0, description="of the counts; 0: uniform, 1: proportional to popularity"
    )

    def build(self, data: NegativeData, frequencies: Frequencies | None) -> Source:
        return Popular(
            data.counts,
            exponent=self.exponent,
            count=self.n_samples,
            per_query=self.per_query,
            log_q=frequencies is not None,
        )


class Popular(Source):
    """Samples with replacement, with probability proportional to count ** exponent.

    An item without training positives is never sampled, whatever the exponent.

    Args:
        counts: `[n_items]` int, training positives of each item, at least one above 0;
            counts of reserved indices are ignored.
        exponent: 1 for popularity itself, 0 for uniform; 0.75 is usual.
        count: number of samples.
        per_query: whether each query gets `count` samples (`[P, n]`), or all share them
            (`[Q]`).
        log_q: whether to correct, by log(count · probability).

    References:
        Mikolov et al., Distributed Representations of Words and Phrases and their
        Compositionality, NeurIPS 2013, section 2.2 (the exponent).
    """

    def __init__(
        self,
        counts: npt.NDArray[np.integer],
        *,
        exponent: float,
        count: int,
        per_query: bool,
        log_q: bool,
    ) -> None:
        counts = counts[FIRST_ID:].astype(np.float64)
        masses = np.where(counts > 0, counts**exponent, 0.0)
        cumulated = np.cumsum(masses)
        self._cumulated = cumulated / cumulated[-1]
        self._expected: FloatArray = (count * masses / masses.sum()).astype(np.float32)
        self._count = count
        self._per_query = per_query
        self._log_q = log_q

    def sample(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        n_queries = len(positives.labels)
        shape = (n_queries, self._count) if self._per_query else self._count
        # The first item whose cumulated probability exceeds the random number: never
        # one of probability 0.
        items = np.searchsorted(self._cumulated, rng.random(shape), side="right")
        return with_certain_positives(
            items + FIRST_ID,
            self._expected[items],
            positives,
            log_q=self._log_q,
        )
