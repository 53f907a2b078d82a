"""Negatives from the positives of the last batches."""

import numpy as np

from two_tower.negatives.base import Candidates, Positives, Source, State
from two_tower.negatives.in_batch import observed_log_share
from two_tower.negatives.log_q import Frequencies
from two_tower.types import PADDING, FloatArray, IntArray


class Queue(Source):
    """The last `size` positive ids, oldest first, the current batch at the end.

    Only ids are kept: they are embedded with today's weights, so that no negative is
    stale and all take gradient. Slots that are not filled yet have weight 0.

    The oldest ids may be set apart as the hard part, for an objective to choose from
    for each query; all others are easy.

    Args:
        size: Q, at least the places of a batch and the hard part.
        frequencies: what log q is made of, log share; None for no correction.
        hard: how many of the oldest slots, which come first, are the hard part.
        unique: whether an easy id weighs as much as one negative, however many easy
            slots have it.

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
                f"the hard part of a queue of {size} ids is {hard}; "
                f"give it 0 to {size - 1} of them"
            )
        self._ids = np.full(size, PADDING, np.int32)
        self._frequencies = frequencies
        self._hard = hard
        self._unique = unique

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        """Push the batch, then return the whole queue.

        Raises:
            ValueError: if the batch has more places than the queue's easy part.
        """
        size, n_places = len(self._ids), len(positives.labels)
        if size - self._hard < n_places:
            raise ValueError(
                f"a batch of {n_places} places does not fit into a queue of {size} "
                f"ids, {self._hard} of them hard; make the queue larger, or its hard "
                "part or the batches smaller"
            )
        is_real = positives.is_real
        pushed = positives.labels[is_real]
        self._ids = np.concatenate([self._ids[len(pushed) :], pushed])
        own_column = np.zeros(n_places, np.int32)
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
    """Return `[n]` float32, how often each of `[n]` ids is among them."""
    _, place, counts = np.unique(ids, return_inverse=True, return_counts=True)
    return counts[place].astype(np.float32)
