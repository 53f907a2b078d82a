"""Negatives from the batch and from the whole catalogue."""

from dataclasses import dataclass

import numpy as np

from two_tower.negatives.base import Candidates, Positives, Source, State
from two_tower.negatives.in_batch import distinct_labels, observed_log_share
from two_tower.negatives.log_q import Frequencies
from two_tower.types import IntArray


@dataclass(frozen=True, eq=False)
class Mixed(Source):
    """The batch's positives and items drawn uniformly, so that rare items come too.

    With P real places in the batch and N items to draw, an item is expected
    P · share + count / N times; an item of both parts has two columns, both with that
    log q.

    Attributes:
        items: `[N]` int32 dense ids to draw from: those that training knows.
        count: how many to draw uniformly, with replacement, for all positives to share.
        block: the columns of the batch's part are a multiple of it.
        frequencies: where the shares come from; None for no correction.

    References:
        Yang et al., Mixed Negative Sampling for Learning Two-tower Neural Networks in
        Recommendations, WWW 2020 (companion).
    """

    items: IntArray
    count: int
    block: int
    frequencies: Frequencies | None

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        labels = distinct_labels(positives, self.block)
        ranks = rng.integers(0, len(self.items), self.count, dtype=np.int32)
        ids = np.concatenate([labels.ids, self.items[ranks]])
        log_q = observed_log_share(self.frequencies, positives, ids)
        if self.frequencies is not None:
            from_batch = positives.is_real.sum() * np.exp(log_q)
            from_catalogue = self.count / len(self.items)
            log_q = np.log(from_batch + from_catalogue).astype(np.float32)
        weights = np.concatenate([labels.counts, np.ones(self.count, np.float32)])
        return Candidates(ids, weights, log_q, log_q[labels.column], labels.column)

    def state(self) -> State:
        return self.frequencies.state() if self.frequencies else {}

    def restore(self, state: State) -> None:
        if self.frequencies:
            self.frequencies.restore(state)
