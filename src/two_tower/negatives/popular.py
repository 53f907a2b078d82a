"""Negatives drawn from the catalogue, popular items more often."""

import numpy as np
import numpy.typing as npt

from two_tower.negatives.base import Candidates, Positives, Source, beside_the_positives
from two_tower.types import FIRST_ID, FloatArray


class Popular(Source):
    """Draws with replacement, with probabilities proportional to count ** exponent.

    An item without any training positive is never drawn, whatever the exponent.

    Args:
        counts: `[n_items]` int, training positives of each dense id, at least one above
            0; those of reserved ids don't count.
        exponent: 1 for popularity itself, 0 for uniform draws; 0.75 is usual.
        count: how many to draw.
        per_positive: whether each positive gets `count` ids of its own (`[P, n]`), or
            all share them (`[Q]`).
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
        per_positive: bool,
        log_q: bool,
    ) -> None:
        counts = counts[FIRST_ID:].astype(np.float64)
        masses = np.where(counts > 0, counts**exponent, 0.0)
        cumulated = np.cumsum(masses)
        self._cumulated = cumulated / cumulated[-1]
        self._expected: FloatArray = (count * masses / masses.sum()).astype(np.float32)
        self._count = count
        self._per_positive = per_positive
        self._log_q = log_q

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        n_places = len(positives.labels)
        shape = (n_places, self._count) if self._per_positive else self._count
        # The first item whose cumulated probability is above the draw: never one of
        # probability 0.
        items = np.searchsorted(self._cumulated, rng.random(shape), side="right")
        return beside_the_positives(
            items + FIRST_ID,
            self._expected[items],
            positives,
            log_q=self._log_q,
        )
