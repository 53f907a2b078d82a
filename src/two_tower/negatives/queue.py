"""Queue of negatives: the positives of the latest batches."""

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
from two_tower.negatives.in_batch import observed_log_share
from two_tower.negatives.log_q import Frequencies
from two_tower.params import Rows
from two_tower.types import PADDING, FloatArray, IntArray, State


class QueueParams(SourceParams):
    """The positives of the latest batches."""

    contains_positives: ClassVar[bool] = True
    follows_positives: ClassVar[bool] = True

    size: Rows = Field(description="positives in the queue")
    hard: int = Field(
        ge=0,
        description="oldest entries that are negatives only of queries whose positive "
        "belongs to the same head; with objective interest_softmax",
    )
    unique: bool = Field(
        description="whether a repeated entry counts once; hard entries always repeat"
    )

    def build(self, data: NegativeData, frequencies: Frequencies | None) -> Source:
        del data
        return Queue(self.size, frequencies, hard=self.hard, unique=self.unique)


class Queue(Source):
    """First-in, first-out queue of positives, the current batch last.

    Only item indices are stored: they are embedded with the current weights, so that no
    negative is stale and all take gradient. Entries not filled yet have weight 0. The
    oldest entries may be the hard part, from which an objective selects per query; the
    rest are easy.

    Args:
        size: Q, at least the queries of a batch plus the hard part.
        frequencies: shares for log q; None for no correction.
        hard: number of the oldest entries, which come first, in the hard part.
        unique: whether an easy id has the weight of one negative, however many easy
            entries hold it.

    Raises:
        ValueError: if the hard part is negative, or all of the queue.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021.
    """

    def __init__(
        self,
        size: int,
        frequencies: Frequencies | None,
        *,
        hard: int = 0,
        unique: bool = False,
    ) -> None:
        if not 0 <= hard < size:
            raise ValueError(
                f"negatives.queue.hard is {hard}, but size is {size}; "
                f"set hard to 0 … {size - 1}"
            )
        self._ids = np.full(size, PADDING, np.int32)
        self._frequencies = frequencies
        self._hard = hard
        self._unique = unique

    def sample(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        """Push the batch, then return the whole queue.

        Raises:
            ValueError: if the batch has more queries than the queue's easy part.
        """
        size, n_queries = len(self._ids), len(positives.labels)
        if size - self._hard < n_queries:
            raise ValueError(
                f"a batch of {n_queries} queries does not fit into a queue of {size} "
                f"ids, {self._hard} of them hard; make the queue larger, or its hard "
                "part or the batches smaller"
            )
        is_real = positives.is_real
        pushed = positives.labels[is_real]
        self._ids = np.concatenate([self._ids[len(pushed) :], pushed])
        own_column = np.zeros(n_queries, np.int32)
        own_column[is_real] = np.arange(size - len(pushed), size)
        log_q = observed_log_share(self._frequencies, positives, self._ids)
        weights = (self._ids != PADDING).astype(np.float32)
        if self._unique:
            weights[self._hard :] /= occurrences(self._ids[self._hard :])
        return Candidates(self._ids, weights, log_q, log_q[own_column], own_column)

    def state(self) -> State:
        learned = self._frequencies.state() if self._frequencies else {}
        return {"ids": self._ids.copy(), **learned}

    def restore(self, state: State) -> None:
        self._ids = state["ids"].copy()
        if self._frequencies:
            self._frequencies.restore(state)


def occurrences(ids: IntArray) -> FloatArray:
    """Return `[n]` float32, the number of times that each of `[n]` ids occurs."""
    _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.float32)
