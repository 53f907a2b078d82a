"""Negatives that the user has not consumed."""

import numpy as np
import numpy.typing as npt

from two_tower.negatives.candidates import Candidates, Positives, beside_the_positives
from two_tower.negatives.consumed import Consumed
from two_tower.negatives.source import Source
from two_tower.types import FIRST_ID, IntArray


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
        self._n_items = consumed.n_items
        self._offsets = items.offsets
        self._n_unconsumed = consumed.n_items - FIRST_ID - items.lengths
        # A user's k-th consumed item a has a - FIRST_ID - k unconsumed ones before it.
        # These numbers never fall within a user, so the keys are sorted.
        k = np.arange(len(items.values)) - items.offsets[items.rows]
        self._keys = items.rows * consumed.n_items + items.values - FIRST_ID - k
        self._count = count
        self._log_q = log_q

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        n_unconsumed = self._n_unconsumed[positives.users][:, None]
        at_least_one = np.maximum(n_unconsumed, 1)
        shape = (len(positives.users), self._count)
        ranks = rng.integers(0, at_least_one, shape)
        return beside_the_positives(
            self._items_of_rank(positives.users[:, None], ranks),
            self._count / at_least_one,
            positives,
            log_q=self._log_q,
            is_found=n_unconsumed > 0,
        )

    def _items_of_rank(
        self, users: IntArray, ranks: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Return each user's unconsumed item of a rank, from 0 for the lowest id."""
        keys = users.astype(np.int64) * self._n_items + ranks
        n_passed = np.searchsorted(self._keys, keys, side="right")
        return FIRST_ID + ranks + n_passed - self._offsets[users]
