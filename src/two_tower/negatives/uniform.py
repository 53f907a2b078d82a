"""Uniform negatives: each item of the catalogue with the same probability."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from two_tower.negatives.base import (
    Candidates,
    NegativeData,
    Positives,
    Source,
    SourceParams,
    with_certain_positives,
)
from two_tower.negatives.log_q import Frequencies
from two_tower.params import LARGEST_SIZE, MOST_ROWS
from two_tower.types import IntArray


class UniformParams(SourceParams):
    """Items sampled uniformly: shared by the batch, or for each query."""

    count: int = Field(
        ge=0, le=MOST_ROWS, description="samples that a batch shares; 0: none"
    )
    per_positive: int = Field(
        ge=0, le=LARGEST_SIZE, description="samples of each query; 0: none"
    )

    @property
    def per_query(self) -> bool:
        return self.per_positive > 0

    @property
    def n_samples(self) -> int:
        """Samples of the batch, or of each query."""
        return self.count or self.per_positive

    @model_validator(mode="after")
    def _shared_or_per_query(self) -> Self:
        if bool(self.count) == bool(self.per_positive):
            raise ValueError(
                f"count is {self.count} and per_positive {self.per_positive}; "
                "give one of them and set the other to 0"
            )
        return self

    def build(self, data: NegativeData, frequencies: Frequencies | None) -> Source:
        return Uniform(
            data.candidates,
            self.n_samples,
            per_query=self.per_query,
            log_q=frequencies is not None,
        )


@dataclass(frozen=True, eq=False)
class Uniform(Source):
    """Samples with replacement.

    Attributes:
        items: `[N]` int32 item indices to sample from, those with training
            interactions.
        count: number of samples.
        per_query: whether each query gets `count` samples (`[P, n]`), or all share them
            (`[Q]`).
        log_q: whether to correct, by log(count / N).
    """

    items: IntArray
    count: int
    per_query: bool
    log_q: bool

    def sample(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        n_queries = len(positives.labels)
        shape = (n_queries, self.count) if self.per_query else self.count
        ids = self.items[rng.integers(0, len(self.items), shape, dtype=np.int32)]
        expected = self.count / len(self.items)
        return with_certain_positives(ids, expected, positives, log_q=self.log_q)
