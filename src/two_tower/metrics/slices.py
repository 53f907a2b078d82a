"""Which queries and positives belong together: slices to look at one by one."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.types import Int64Array

Mask: TypeAlias = npt.NDArray[np.bool_]


def history_slices(lengths: Int64Array, bounds: Sequence[int]) -> Mapping[str, Mask]:
    """Return which histories are how long, for example `"20-49"`.

    Args:
        lengths: `[P]`, the number of items before each positive.
        bounds: the shortest length of each slice, rising from 0.

    Returns:
        A `[P]` mask for each slice; together they hold every positive once.
    """
    slices = {}
    for low, after in zip(bounds, [*bounds[1:], None], strict=True):
        if after is None:
            slices[f"{low} and more"] = lengths >= low
        else:
            name = str(low) if after == low + 1 else f"{low}-{after - 1}"
            slices[name] = (lengths >= low) & (lengths < after)
    return slices


def popularity_slices(
    n_train: Int64Array, items: Int64Array, *, head: float, mid: float
) -> Mapping[str, Mask]:
    """Return which positives are popular: `"head"`, `"mid"` or `"tail"`.

    The items in falling order of popularity, the head is the first ones, that together
    have a share `head` of all training interactions, the mid the next ones with the
    share `mid`, the tail the rest. An item belongs to the band in which its share
    begins, and items equally popular to the same one.

    Args:
        n_train: `[N]`, training interactions of each item.
        items: `[P]`, the position of each positive.
        head: between 0 and 1.
        mid: between 0 and 1; `head + mid` at most 1.
    """
    distinct, inverse, count = np.unique(
        -n_train, return_inverse=True, return_counts=True
    )
    interactions = -distinct * count
    before = (np.cumsum(interactions) - interactions)[inverse][items]
    total = n_train.sum()
    is_tail = before >= (head + mid) * total
    is_head = (before < head * total) & ~is_tail
    return {"head": is_head, "mid": ~is_head & ~is_tail, "tail": is_tail}


def coldness_slices(n_train: Int64Array) -> Mapping[str, Mask]:
    """Return which positives training has met: `"warm"`, or never: `"cold"`.

    Args:
        n_train: `[P]`, training interactions of each positive's item, or user.
    """
    is_cold = n_train == 0
    return {"warm": ~is_cold, "cold": is_cold}
