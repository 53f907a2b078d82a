"""Negatives drawn from the catalogue, each item with the same probability."""

from dataclasses import dataclass

import numpy as np

from two_tower.negatives.candidates import Candidates, Positives, beside_the_positives
from two_tower.negatives.source import Source
from two_tower.types import FIRST_ID


@dataclass(frozen=True)
class Uniform(Source):
    """Draws with replacement from all real items.

    Attributes:
        n_items: rows of the item table, reserved ids included.
        count: how many to draw.
        per_positive: whether each positive gets `count` ids of its own (`[P, n]`), or
            all share them (`[Q]`).
        log_q: whether to correct, by log(count / number of real items).
    """

    n_items: int
    count: int
    per_positive: bool
    log_q: bool

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        n_places = len(positives.labels)
        shape = (n_places, self.count) if self.per_positive else self.count
        ids = rng.integers(FIRST_ID, self.n_items, shape, dtype=np.int32)
        expected = self.count / (self.n_items - FIRST_ID)
        return beside_the_positives(ids, expected, positives, log_q=self.log_q)
