"""Top-k by score, ties by item row, with scores and indices packed as sort keys."""

from typing import Final

import numpy as np
import numpy.typing as npt

from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult
from two_tower.types import FloatArray

# A key packs a score and an item row into one integer: a greater key has a higher
# score or, at equal scores, a lower index. The keys of a query are distinct, so its
# best k don't depend on how items are partitioned or cut into blocks.
Keys = npt.NDArray[np.uint64]

EMPTY_KEY: Final = np.uint64(0)
_LOW: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)
_SIGN: Final = np.uint32(0x80000000)


def pack(scores: FloatArray, indices: ItemIndices) -> Keys:
    """Return a sortable key per pair of score and item row; least for `NO_ITEM`.

    Args:
        scores: `[…]` float32, not NaN.
        indices: integers below 2³² or `NO_ITEM`, broadcast to the scores.

    References:
        Terdiman, Radix sort revisited, 2000: the bits of a float as a sortable integer.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # + 0 turns -0.0 into 0.0
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN).astype(np.uint64)
    keys = (ordered << _HALF) | (_LOW - indices.astype(np.uint64))
    return np.where(indices == NO_ITEM, EMPTY_KEY, keys)


def unpack(keys: Keys) -> SearchResult:
    """Return the scores and item rows of packed keys; -inf for `NO_ITEM`."""
    ordered = (keys >> _HALF).astype(np.uint32)
    bits = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered)
    empty = keys == EMPTY_KEY
    indices = (_LOW - (keys & _LOW)).astype(np.int64)
    return SearchResult(
        np.where(empty, NO_ITEM, indices),
        np.where(empty, np.float32(-np.inf), bits.view(np.float32)),
    )


def keep_greatest(keys: Keys, k: int) -> Keys:
    """Return the `k` greatest keys of each row, unordered; `[B, L]` → `[B, ≤ k]`."""
    first = keys.shape[1] - k
    if first <= 0:
        return keys
    keys.partition(first, axis=1)
    return keys[:, first:]


def top_k(indices: ItemIndices, scores: FloatArray, k: int) -> SearchResult:
    """Return the `k` best items of each row, highest score first, ties by item row.

    Args:
        indices: `[B, L]` int64, in any order; `NO_ITEM` is skipped.
        scores: `[B, L]` float32.
        k: items per row.

    Returns:
        `[B, k]`, padded with `NO_ITEM`.
    """
    keys = np.sort(keep_greatest(pack(scores, indices), k), axis=1)[:, ::-1]
    missing = k - keys.shape[1]
    return unpack(np.pad(keys, ((0, 0), (0, missing)), constant_values=EMPTY_KEY))


def mask_repeats(indices: ItemIndices) -> ItemIndices:
    """Return `[B, L]` item rows, each row rising, repeats replaced by `NO_ITEM`.

    Args:
        indices: `[B, L]` int64, such as the results of a user's vectors side by side.
    """
    rising = np.sort(indices, axis=1)
    rising[:, 1:][rising[:, 1:] == rising[:, :-1]] = NO_ITEM
    return rising
