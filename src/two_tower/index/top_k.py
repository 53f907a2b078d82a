"""Order by score, then by position, and the best of several lists."""

from typing import Final

import numpy as np
import numpy.typing as npt

from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult
from two_tower.types import FloatArray

# A key is a score and a position in one integer: the greater the key, the higher the
# score, then the lower the position. No two items of a query have the same key, so
# the best k are the same however they are partitioned or cut into blocks.
Keys = npt.NDArray[np.uint64]

EMPTY_KEY: Final = np.uint64(0)
_LOW: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)
_SIGN: Final = np.uint32(0x80000000)


def pack(scores: FloatArray, positions: ItemIndices) -> Keys:
    """Return one sortable key per (score, position); `NO_ITEM` gives the least.

    Args:
        scores: `[…]` float32, not NaN.
        positions: integers that broadcast to it, below 2³², or `NO_ITEM`.

    References:
        Terdiman, Radix sort revisited, 2000: the bits of a float as a sortable integer.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # + 0 turns -0.0 into 0.0
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN).astype(np.uint64)
    keys = (ordered << _HALF) | (_LOW - positions.astype(np.uint64))
    return np.where(positions == NO_ITEM, EMPTY_KEY, keys)


def unpack(keys: Keys) -> SearchResult:
    """Return what `pack` was given, -inf for the score of `NO_ITEM`."""
    ordered = (keys >> _HALF).astype(np.uint32)
    bits = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered)
    empty = keys == EMPTY_KEY
    positions = (_LOW - (keys & _LOW)).astype(np.int64)
    return SearchResult(
        np.where(empty, NO_ITEM, positions),
        np.where(empty, np.float32(-np.inf), bits.view(np.float32)),
    )


def keep_greatest(keys: Keys, k: int) -> Keys:
    """Return the `k` greatest keys of each row, in no order; `[B, L]` → `[B, ≤ k]`."""
    first = keys.shape[1] - k
    if first <= 0:
        return keys
    keys.partition(first, axis=1)
    return keys[:, first:]


def top_k(positions: ItemIndices, scores: FloatArray, k: int) -> SearchResult:
    """Return the `k` best of each row, highest score first, then lowest position.

    Args:
        positions: `[B, L]` int64, in any order; `NO_ITEM` is passed over.
        scores: `[B, L]` float32.
        k: how many.

    Returns:
        `[B, k]`, padded with `NO_ITEM`.
    """
    keys = np.sort(keep_greatest(pack(scores, positions), k), axis=1)[:, ::-1]
    missing = k - keys.shape[1]
    return unpack(np.pad(keys, ((0, 0), (0, missing)), constant_values=EMPTY_KEY))


def mask_repeats(positions: ItemIndices) -> ItemIndices:
    """Return `[B, L]` positions, each row rising, its repeats `NO_ITEM`.

    Args:
        positions: `[B, L]` int64; the results of several queries of one user stand
            side by side in a row.
    """
    grouped = np.sort(positions, axis=1)
    grouped[:, 1:][grouped[:, 1:] == grouped[:, :-1]] = NO_ITEM
    return grouped
