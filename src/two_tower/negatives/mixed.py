"""Mixed negatives: the batch's positives and uniform samples of the catalogue."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from two_tower.negatives.base import (
    Candidates,
    NegativeData,
    Positives,
    Source,
    SourceParams,
)
from two_tower.negatives.in_batch import distinct_labels, observed_log_share
from two_tower.negatives.log_q import Frequencies
from two_tower.params import Rows
from two_tower.types import IntArray, State


class MixedParams(SourceParams):
    """The batch's positives and items sampled uniformly."""

    contains_positives: ClassVar[bool] = True
    follows_positives: ClassVar[bool] = True

    count: Rows = Field(description="uniform samples that a batch shares")
    block: Rows = Field(
        description="the number of distinct positives is padded to a multiple"
    )

    def build(self, data: NegativeData, frequencies: Frequencies | None) -> Source:
        return Mixed(data.candidates, self.count, self.block, frequencies)


@dataclass(frozen=True, eq=False)
class Mixed(Source):
    """The batch's positives and uniform samples, so that rare items are negatives too.

    With P real queries in the batch and N items to sample from, an item is expected
    P · share + count / N times; an item of both parts has two columns, both with that
    log q.

    Attributes:
        items: `[N]` int32 item indices to sample from, those with training
            interactions.
        count: uniform samples, with replacement, that all queries share.
        block: the columns of the batch's part are a multiple of it.
        frequencies: shares for log q; None for no correction.

    References:
        Yang et al., Mixed Negative Sampling for Learning Two-tower Neural Networks in
        Recommendations, WWW 2020 (companion).
    """

    items: IntArray
    count: int
    block: int
    frequencies: Frequencies | None

    def sample(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        labels = distinct_labels(positives, self.block)
        rows = rng.integers(0, len(self.items), self.count, dtype=np.int32)
        ids = np.concatenate([labels.ids, self.items[rows]])
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
