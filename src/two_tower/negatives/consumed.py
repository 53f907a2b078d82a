"""Training items of each user, looked up batch by batch."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, IntArray


@dataclass(frozen=True, eq=False)
class Consumed:
    """The distinct items of each user, four bytes each.

    Attributes:
        items: by user index, from 0: real item indices, ascending, without repeats;
            built by `from_pairs`.
        n_items: rows of the item table, reserved indices included.
    """

    items: Ragged
    n_items: int

    @classmethod
    def from_pairs(
        cls,
        users: npt.NDArray[np.integer],
        items: npt.NDArray[np.integer],
        *,
        n_users: int,
        n_items: int,
    ) -> Self:
        """Collect (user, item) pairs, in any order, repeated or not.

        Pairs with a reserved item index are dropped.

        Args:
            users: `[C]` int user indices.
            items: `[C]` int item indices.
            n_users: rows of the user table, reserved indices included.
            n_items: rows of the item table, reserved indices included.
        """
        is_real = items >= FIRST_ID
        # Sorted here: np.unique hashes first, which takes twenty times as long.
        keys = np.sort(users[is_real].astype(np.int64) * n_items + items[is_real])
        keys = keys[np.diff(keys, prepend=-1) > 0]
        offsets = np.searchsorted(keys, np.arange(n_users + 1) * n_items)
        values = (keys % n_items).astype(np.int32)
        return cls(Ragged(values, offsets.astype(np.int64)), n_items)

    def contains(self, users: IntArray, items: IntArray) -> npt.NDArray[np.bool_]:
        """Return whether each user has consumed the item; the two broadcast."""
        n_below = count_up_to(self.items, users, items - 1)
        n_up_to = count_up_to(self.items, users, items)
        is_consumed: npt.NDArray[np.bool_] = n_up_to > n_below
        return is_consumed

    def columns(self, users: IntArray, candidates: IntArray) -> npt.NDArray[np.bool_]:
        """Return which candidates each row's user has consumed.

        The query's own positive is among them; the loss never masks it.

        Args:
            users: `[B]` int32 user indices.
            candidates: `[Q]` int32 item indices, repeated or not.

        Returns:
            `[B, Q]` bool.
        """
        n_columns = np.bincount(candidates, minlength=self.n_items)
        offsets = np.concatenate([[0], np.cumsum(n_columns)])
        columns_of_item = Ragged(np.argsort(candidates, kind="stable"), offsets)
        consumed = self.items.take(users)
        found = columns_of_item.take(consumed.values)
        excluded = np.zeros((len(users), len(candidates)), bool)
        excluded[consumed.rows[found.rows], found.values] = True
        return excluded


def count_up_to(
    lists: Ragged, rows: npt.NDArray[np.integer], bounds: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """Return the number of values of each row that are at most its bound.

    All rows are bisected at once.

    Args:
        lists: rows of ascending values.
        rows: int, of any shape.
        bounds: int, broadcasts with `rows`.

    Returns:
        The shape that both broadcast to, int64.
    """
    rows, bounds = np.broadcast_arrays(rows, bounds)
    start, end = lists.offsets[rows], lists.offsets[rows + 1]
    low, high = start, end
    longest = int((end - start).max(initial=0))
    for _ in range(longest.bit_length()):
        middle = (low + high) // 2
        # Where low has met high the middle may lie in the next row.
        value: npt.NDArray[Any] = lists.values.take(middle, mode="clip")
        is_up_to = (value <= bounds) & (low < high)
        low = np.where(is_up_to, middle + 1, low)
        high = np.where(is_up_to, high, middle)
    n_up_to: npt.NDArray[np.int64] = low - start
    return n_up_to
