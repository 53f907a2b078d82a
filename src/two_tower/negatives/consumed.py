"""What each user has consumed in training, to be asked by the batch."""

from typing import Self

import numpy as np
import numpy.typing as npt

from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, IntArray


class Consumed:
    """The items of each user, each once, in twelve bytes.

    Args:
        items: one row per dense user id, from 0: real dense item ids in rising order,
            none twice. `from_pairs` makes it.
        n_items: rows of the item table, reserved ids included.
    """

    def __init__(self, items: Ragged, n_items: int) -> None:
        self.items = items
        self.n_items = n_items
        self._keys = items.rows * n_items + items.values

    @classmethod
    def from_pairs(
        cls,
        users: npt.NDArray[np.integer],
        items: npt.NDArray[np.integer],
        *,
        n_users: int,
        n_items: int,
    ) -> Self:
        """Collect pairs of dense ids, in any order, repeated or not.

        Pairs with a reserved item id are left out.

        Args:
            users: `[C]` int.
            items: `[C]` int.
            n_users: rows of the user table, reserved ids included.
            n_items: rows of the item table, reserved ids included.
        """
        is_real = items >= FIRST_ID
        keys = np.unique(users[is_real].astype(np.int64) * n_items + items[is_real])
        offsets = np.searchsorted(keys, np.arange(n_users + 1) * n_items)
        values = (keys % n_items).astype(np.int32)
        return cls(Ragged(values, offsets.astype(np.int64)), n_items)

    def contains(self, users: IntArray, items: IntArray) -> npt.NDArray[np.bool_]:
        """Return whether each user has consumed the item; the two broadcast."""
        keys = users.astype(np.int64) * self.n_items + items
        if not len(self._keys):
            return np.zeros(keys.shape, bool)
        places = np.searchsorted(self._keys, keys)
        found: npt.NDArray[np.bool_] = self._keys.take(places, mode="clip") == keys
        return found

    def columns(self, users: IntArray, candidates: IntArray) -> npt.NDArray[np.bool_]:
        """Return which candidates each row's user has consumed.

        A row's own label is among them: what becomes of it is the loss's matter.

        Args:
            users: `[B]` int32 dense user ids.
            candidates: `[Q]` int32 dense item ids, repeated or not.

        Returns:
            `[B, Q]` bool.
        """
        distinct, column = np.unique(candidates, return_inverse=True)
        column_of_item = np.full(self.n_items, len(distinct))  # one for all others
        column_of_item[distinct] = np.arange(len(distinct))
        consumed = self.items.take(users)
        marked = np.zeros((len(users), len(distinct) + 1), bool)
        marked[consumed.rows, column_of_item[consumed.values]] = True
        return marked[:, column]
