"""Negatives that the user has rated low."""

import numpy as np

from two_tower.negatives.base import (
    Candidates,
    Positives,
    Source,
    State,
    beside_the_positives,
)
from two_tower.ragged import Ragged
from two_tower.types import PADDING


class LowRated(Source):
    """Draws with replacement from the items that the user explicitly dislikes.

    Args:
        explicit_negatives: one row per dense user id, from 0: dense item ids.
        count: n, how many to draw for each positive (`[P, n]`); users who dislike
            nothing get weight 0.
        log_q: whether to correct, by log(n / number of items that the user dislikes).
        others: draws m more for each positive, from all items, so that every user meets
            the rest of the catalogue (`[P, n + m]`); None for no more.
    """

    def __init__(
        self,
        explicit_negatives: Ragged,
        *,
        count: int,
        log_q: bool,
        others: Source | None,
    ) -> None:
        self._lengths = explicit_negatives.lengths
        self._starts = explicit_negatives.offsets[:-1]
        # One more, for the start of an empty last row to be a place.
        self._items = np.append(explicit_negatives.values, PADDING).astype(np.int32)
        self._count = count
        self._log_q = log_q
        self._others = others

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        n_explicit_negatives = self._lengths[positives.users][:, None]
        at_least_one = np.maximum(n_explicit_negatives, 1)
        shape = (len(positives.users), self._count)
        ranks = rng.integers(0, at_least_one, shape)
        own = beside_the_positives(
            self._items[self._starts[positives.users][:, None] + ranks],
            self._count / at_least_one,
            positives,
            log_q=self._log_q,
            is_found=n_explicit_negatives > 0,
        )
        if self._others is None:
            return own
        others = self._others.draw(positives, rng)
        return own._replace(
            ids=np.concatenate([own.ids, others.ids], axis=1),
            weights=np.concatenate([own.weights, others.weights], axis=1),
            log_q=np.concatenate([own.log_q, others.log_q], axis=1),
        )

    def state(self) -> State:
        return self._others.state() if self._others else {}

    def restore(self, state: State) -> None:
        if self._others:
            self._others.restore(state)
