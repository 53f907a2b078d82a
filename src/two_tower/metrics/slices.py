"""Slices of the positives: by history length, popularity and coldness."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.types import Int64Array

Mask: TypeAlias = npt.NDArray[np.bool_]


def history_slices(lengths: Int64Array, bounds: Sequence[int]) -> Mapping[str, Mask]:
    """Return a mask for each range of history lengths, for example `"20-49"`.

    Args:
        lengths: `[P]`, the history length of each positive's query.
        bounds: the least length of each slice, rising from 0.

    Returns:
        A `[P]` mask for each slice; each positive is in exactly one.
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
    """Return a mask for each popularity band: `"head"`, `"mid"` and `"tail"`.

    Items are sorted by popularity, most popular first. The head holds the first share
    `head` of all training interactions, the mid the next share `mid`, the tail the
    rest. The cumulative share before an item decides its band; equally popular items
    share a band.

    Args:
        n_train: `[N]`, training interactions of each item.
        items: `[P]`, the item row of each positive.
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
    """Return a mask of `"warm"` and of `"cold"` positives, those never in training.

    Args:
        n_train: `[P]`, training interactions of each positive's item, or of its user.
    """
    is_cold = n_train == 0
    return {"warm": ~is_cold, "cold": is_cold}


def repetition_slices(is_repeat: Int64Array) -> Mapping[str, Mask]:
    """Return a mask of `"new"` positives and of `"repeated"` ones.

    Args:
        is_repeat: `[P]`, 1 if the query's history holds the positive, else 0.
    """
    return {"new": is_repeat == 0, "repeated": is_repeat == 1}
