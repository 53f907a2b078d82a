"""Exact cosines of items that a search has named, and lists merged by them.

A user of V vectors is as near to an item as the nearest of these vectors is. So V
searches name the candidates, and each candidate is scored again by all V.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from two_tower.chunking import row_slices
from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult, normalise_queries
from two_tower.index.top_k import mask_repeats, top_k
from two_tower.query_vectors import with_vector_axis
from two_tower.types import FloatArray, Int64Array

PAIRS_PER_BLOCK: Final = 1 << 16
"""Item vectors gathered at a time to score again: 16 MB of 64 dimensions."""


def rescore(
    queries: FloatArray, vectors: FloatArray, positions: ItemIndices
) -> SearchResult:
    """Return the same items with their exact cosines, nearest first.

    A matrix product rounds a score differently with the shape of its block; here a
    score depends on its query and its item alone. So every back end and batch size
    gives the same item the same score, to the bit.

    Args:
        queries: `[B, D]` float32, or `[B, V, D]` for users of V vectors each, of which
            the nearest counts; L2-normalised.
        vectors: `[N, D]` float32, L2-normalised.
        positions: `[B, L]` int64, `NO_ITEM` where there is none.
    """
    scores = np.full(positions.shape, -np.inf, np.float32)
    for rows, cosines in cosines_by_vector(queries, vectors, positions):
        scores[rows] = cosines.max(axis=1)
    return top_k(positions, scores, positions.shape[1])


def nearest_vector(
    queries: FloatArray, vectors: FloatArray, positions: ItemIndices
) -> Int64Array:
    """Return `[B, L]`, which of a user's vectors is nearest to each item.

    Of equally near ones it is the first; `NO_ITEM` gives `NO_ITEM`.

    Args:
        queries: `[B, D]` or `[B, V, D]` float, of any length above 0.
        vectors: `[N, D]` float32, L2-normalised.
        positions: `[B, L]` int64, `NO_ITEM` where there is none.
    """
    return _nearest(normalise_queries(queries, vectors.shape[1]), vectors, positions)


def merge(
    queries: FloatArray,
    vectors: FloatArray,
    found: SearchResult,
    k: int,
    *,
    quota: int | None = None,
) -> SearchResult:
    """Return each user's `k` best of what the user's vectors have found, each once.

    The k best items of a user are among the k best of the user's vectors.

    Args:
        queries: `[B, V, D]` float32, L2-normalised.
        vectors: `[N, D]` float32, L2-normalised.
        found: `[B · V, L]`, the results of each vector, at least `k` places.
        k: how many.
        quota: items that are taken from each vector's own list, before the nearest of
            the others fill the list. Of all pairs of a vector and an item the one of
            the greatest cosine comes first, then the next; an item is taken once, and
            by a vector that has fewer than its quota. None for no limit.

    Returns:
        `[B, k]`, padded with `NO_ITEM`. With a quota, scores fall among the items
        within it, and among those behind.
    """
    n_users, n_vectors, _ = queries.shape
    side_by_side = found.indices.reshape(n_users, n_vectors * found.indices.shape[1])
    candidates = mask_repeats(side_by_side)
    if quota is not None:
        return _within_quota_first(queries, vectors, candidates, k, quota=quota)
    ordered = rescore(queries, vectors, candidates)
    return SearchResult(ordered.indices[:, :k], ordered.scores[:, :k])


def cosines_by_vector(
    queries: FloatArray, vectors: FloatArray, positions: ItemIndices
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the cosines of each user's vectors with the user's items, block by block.

    Args:
        queries: `[B, D]` or `[B, V, D]` float32, L2-normalised.
        vectors: `[N, D]` float32, L2-normalised.
        positions: `[B, L]` int64.

    Yields:
        Some users, and their `[b, V, L]` float32; -inf where a position is `NO_ITEM`.
    """
    per_user = np.ascontiguousarray(with_vector_axis(queries).swapaxes(0, 1))
    n_rows = PAIRS_PER_BLOCK // max(1, positions.shape[1])
    for rows in row_slices(len(positions), n_rows):
        # An empty place (-1) reads the last vector; its score is thrown away below.
        nearby = vectors[positions[rows]]
        scores = [np.einsum("bd,bld->bl", one[rows], nearby) for one in per_user]
        is_empty = (positions[rows] == NO_ITEM)[:, np.newaxis]
        yield rows, np.where(is_empty, np.float32(-np.inf), np.stack(scores, axis=1))


def _nearest(
    queries: FloatArray, vectors: FloatArray, positions: ItemIndices
) -> Int64Array:
    """Return `nearest_vector` of normalised queries."""
    nearest = np.full(positions.shape, NO_ITEM, np.int64)
    for rows, cosines in cosines_by_vector(queries, vectors, positions):
        nearest[rows] = cosines.argmax(axis=1)
    return np.where(positions == NO_ITEM, NO_ITEM, nearest)


def _within_quota_first(
    queries: FloatArray,
    vectors: FloatArray,
    candidates: ItemIndices,
    k: int,
    *,
    quota: int,
) -> SearchResult:
    """Return `[B, k]`, what `_take_within_quota` takes, then the best of the rest.

    Args:
        queries: `[B, V, D]` float32, L2-normalised.
        vectors: `[N, D]` float32, L2-normalised.
        candidates: `[B, L]` int64, each item once, rising but for `NO_ITEM`. The k best
            of each vector are enough: at most k items are taken before its next one.
        k: how many.
        quota: items that each vector takes.
    """
    positions = np.full((len(candidates), k), NO_ITEM, np.int64)
    scores = np.full((len(candidates), k), -np.inf, np.float32)
    for rows, cosines in cosines_by_vector(queries, vectors, candidates):
        asked, score = candidates[rows], cosines.max(axis=1)
        is_taken = _take_within_quota(cosines, k, quota)
        first = top_k(np.where(is_taken, asked, NO_ITEM), score, k)
        rest = top_k(np.where(is_taken, NO_ITEM, asked), score, k)
        both = np.concatenate([first.indices, rest.indices], axis=1)
        both_scores = np.concatenate([first.scores, rest.scores], axis=1)
        # Sorted by emptiness alone: the sort is stable.
        order = np.argsort(both == NO_ITEM, axis=1, kind="stable")[:, :k]
        positions[rows] = np.take_along_axis(both, order, axis=1)
        scores[rows] = np.take_along_axis(both_scores, order, axis=1)
    return SearchResult(positions, scores)


def _take_within_quota(
    cosines: FloatArray, k: int, quota: int
) -> npt.NDArray[np.bool_]:
    """Return `[B, L]`, which items the vectors take, up to `quota` each and `k` in all.

    Args:
        cosines: `[B, V, L]` float32, -inf where there is no item.
        k: how many in all.
        quota: how many for each vector.
    """
    n_users, n_vectors, n_items = cosines.shape
    is_taken = np.zeros((n_users, n_items), bool)
    n_taken = np.zeros((n_users, n_vectors), np.int64)
    left = cosines.swapaxes(1, 2).copy()  # of equal pairs, the first item's is taken
    for _ in range(min(k, quota * n_vectors, n_items)):
        pairs = left.reshape(n_users, n_items * n_vectors)
        best = pairs.argmax(axis=1)
        users = np.flatnonzero(np.isfinite(pairs.max(axis=1)))
        item, vector = np.divmod(best[users], n_vectors)
        is_taken[users, item] = True
        left[users, item] = -np.inf
        n_taken[users, vector] += 1
        is_full = n_taken[users, vector] == quota
        left[users[is_full], :, vector[is_full]] = -np.inf
    return is_taken
