"""Unconsumed negatives: items that the user has no interaction with."""

import numpy as np
from pydantic import Field

from two_tower.negatives.base import (
    Candidates,
    NegativeData,
    Positives,
    Source,
    SourceParams,
    with_certain_positives,
)
from two_tower.negatives.consumed import Consumed, count_up_to
from two_tower.negatives.log_q import Frequencies
from two_tower.params import Size
from two_tower.ragged import Ragged
from two_tower.types import IntArray


class UnconsumedParams(SourceParams):
    """Items without a training interaction of the user, sampled uniformly."""

    per_positive: Size = Field(description="samples of each query")

    @property
    def per_query(self) -> bool:
        return True

    def build(self, data: NegativeData, frequencies: Frequencies | None) -> Source:
        return Unconsumed(
            data.consumed,
            data.candidates,
            count=self.per_positive,
            log_q=frequencies is not None,
        )


class Unconsumed(Source):
    """Samples with replacement from all items that the user has not consumed.

    A sample is the rank of an item among the user's unconsumed ones, so none is
    rejected, however much the user has consumed. Users who have consumed everything get
    weight 0.

    Args:
        consumed: items that each user has consumed in training.
        items: `[N]` int32 item indices to sample from, ascending: those seen in
            training, so every consumed item is among them.
        count: n, samples of each query (`[P, n]`).
        log_q: whether to correct, by log(n / number of unconsumed items).
    """

    def __init__(
        self, consumed: Consumed, items: IntArray, *, count: int, log_q: bool
    ) -> None:
        lists = consumed.items
        self._items = items
        self._n_unconsumed = len(items) - lists.lengths
        # A user's k-th consumed item, the a-th of all, follows a - k unconsumed ones: a
        # number that never falls from one k to the next.
        a = np.searchsorted(items, lists.values)
        k = np.arange(len(lists.values)) - lists.offsets[lists.rows]
        self._unconsumed_before = Ragged((a - k).astype(np.int32), lists.offsets)
        self._count = count
        self._log_q = log_q

    def sample(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        users = positives.users[:, None]
        n_unconsumed = self._n_unconsumed[users]
        at_least_one = np.maximum(n_unconsumed, 1)
        ranks = rng.integers(0, at_least_one, (len(users), self._count))
        n_passed = count_up_to(self._unconsumed_before, users, ranks)
        # A user who has consumed everything has no rank: any item, of weight 0.
        rows = np.minimum(ranks + n_passed, len(self._items) - 1)
        return with_certain_positives(
            self._items[rows],
            self._count / at_least_one,
            positives,
            log_q=self._log_q,
            is_found=n_unconsumed > 0,
        )
