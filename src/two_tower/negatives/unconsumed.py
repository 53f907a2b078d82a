"""Negatives that the user has not consumed."""

import numpy as np

from two_tower.negatives.candidates import Candidates, Positives, beside_the_positives
from two_tower.negatives.consumed import Consumed, count_up_to
from two_tower.negatives.source import Source
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID


class Unconsumed(Source):
    """Draws with replacement from all real items that the user has not consumed.

    A draw is the rank of an item among the user's unconsumed ones, so nothing is drawn
    in vain, however much the user has consumed. Users who have consumed everything get
    weight 0.

    Args:
        consumed: what each user has consumed in training.
        count: n, how many to draw for each positive (`[P, n]`).
        log_q: whether to correct, by log(n / number of items that the user has not
            consumed).
    """

    def __init__(self, consumed: Consumed, *, count: int, log_q: bool) -> None:
        items = consumed.items
        self._n_unconsumed = consumed.n_items - FIRST_ID - items.lengths
        # A user's k-th consumed item a has a - FIRST_ID - k unconsumed ones before it:
        # a number that never falls from one k to the next.
        k = np.arange(len(items.values)) - items.offsets[items.rows]
        before = (items.values - FIRST_ID - k).astype(np.int32)
        self._unconsumed_before = Ragged(before, items.offsets)
        self._count = count
        self._log_q = log_q

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        users = positives.users[:, None]
        n_unconsumed = self._n_unconsumed[users]
        at_least_one = np.maximum(n_unconsumed, 1)
        ranks = rng.integers(0, at_least_one, (len(users), self._count))
        n_passed = count_up_to(self._unconsumed_before, users, ranks)
        return beside_the_positives(
            FIRST_ID + ranks + n_passed,
            self._count / at_least_one,
            positives,
            log_q=self._log_q,
            is_found=n_unconsumed > 0,
        )
