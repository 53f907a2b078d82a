"""The most popular items that may be shown."""

import numpy as np
import numpy.typing as npt

from two_tower.ragged import Ragged
from two_tower.retrieval.index import NOTHING, Found
from two_tower.retrieval.ranking import in_order
from two_tower.retrieval.shown import Choice, hide


def rank_popular(
    counts: npt.NDArray[np.int64], k: int, *, seen: Ragged, choice: Choice
) -> Found:
    """Return the `k` most popular items that may be shown to each user.

    Args:
        counts: `[N]` int64 by position, interactions of the training.
        k: items to return, at least 1.
        seen: B rows of positions that are hidden from one user; `NOTHING` hides none.
        choice: the items that are hidden from nobody.

    Returns:
        `[B, k]`, equal counts by position, padded with `NOTHING`; the scores are
        shares of all interactions, in [0, 1].

    Raises:
        ValueError: if no item was ever met.
    """
    if not counts.any():
        raise ValueError(
            "it is not known how popular the items are; give the recommender the "
            "items' n_train, as item_vocabulary has it"
        )
    shares = (counts / counts.sum()).astype(np.float32)
    chosen = choice.positions
    open_items = np.arange(len(counts)) if chosen is None else chosen
    # What a user has seen can hide at most so many of the best.
    enough = min(k + int(seen.lengths.max(initial=0)), len(open_items))
    order = np.lexsort((open_items, -counts[open_items]))[:enough]
    best = np.tile(open_items[order], (len(seen), 1))
    left = hide(best, seen, choice)
    return in_order(left, np.where(left == NOTHING, -np.inf, shares[best]), k)
