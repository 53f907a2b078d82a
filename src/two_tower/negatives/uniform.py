"""Negatives drawn from the catalogue, each item with the same probability."""

from dataclasses import dataclass

import numpy as np

from two_tower.negatives.base import Candidates, Positives, Source, beside_the_positives
from two_tower.types import IntArray


@dataclass(frozen=True, eq=False)
class Uniform(Source):
    """Draws with replacement.

    Attributes:
        items: `[N]` int32 dense ids to draw from: those that training knows.
        count: how many to draw.
        per_positive: whether each positive gets `count` ids of its own (`[P, n]`), or
            all share them (`[Q]`).
        log_q: whether to correct, by log(count / N).
    """

    items: IntArray
    count: int
    per_positive: bool
    log_q: bool

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        n_places = len(positives.labels)
        shape = (n_places, self.count) if self.per_positive else self.count
        ids = self.items[rng.integers(0, len(self.items), shape, dtype=np.int32)]
        expected = self.count / len(self.items)
        return beside_the_positives(ids, expected, positives, log_q=self.log_q)
