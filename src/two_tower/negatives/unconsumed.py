"""Negatives that the user has not consumed."""

import numpy as np

from two_tower.negatives.base import Candidates, Positives, Source, beside_the_positives
from two_tower.negatives.consumed import Consumed, count_up_to
from two_tower.ragged import Ragged
from two_tower.types import IntArray


class Unconsumed(Source):
    """Draws with replacement from all items that the user has not consumed.

    A draw is the rank of an item among the user's unconsumed ones, so nothing is drawn
    in vain, however much the user has consumed. Users who have consumed everything get
    weight 0.

    Args:
        consumed: what each user has consumed in training.
        items: `[N]` int32 dense ids in rising order, of all items to draw from: those
            that training knows, so all that anyone has consumed are among them.
        count: n, how many to draw for each positive (`[P, n]`).
        log_q: whether to correct, by log(n / number of items that the user has not
            consumed).
    """

    def __init__(
        self, consumed: Consumed, items: IntArray, *, count: int, log_q: bool
    ) -> None:
        lists = consumed.items
        self._items = items
        self._n_unconsumed = len(items) - lists.lengths
        # A user's k-th consumed item, the a-th of all, has a - k unconsumed ones before
        # it: a number that never falls from one k to the next.
        a = np.searchsorted(items, lists.values)
        k = np.arange(len(lists.values)) - lists.offsets[lists.rows]
        self._unconsumed_before = Ragged((a - k).astype(np.int32), lists.offsets)
        self._count = count
        self._log_q = log_q

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        users = positives.users[:, None]
        n_unconsumed = self._n_unconsumed[users]
        at_least_one = np.maximum(n_unconsumed, 1)
        ranks = rng.integers(0, at_least_one, (len(users), self._count))
        n_passed = count_up_to(self._unconsumed_before, users, ranks)
        # A user who has consumed everything has no rank: any item, of weight 0.
        places = np.minimum(ranks + n_passed, len(self._items) - 1)
        return beside_the_positives(
            self._items[places],
            self._count / at_least_one,
            positives,
            log_q=self._log_q,
            is_found=n_unconsumed > 0,
        )
