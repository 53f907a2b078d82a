"""Exact cosines of retrieved items, and the merge of several vectors' results.

The score of an item for a user of V vectors is the largest of V cosines. V searches
retrieve candidates, and each candidate is scored by all V vectors.
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
"""Item vectors gathered at a time: 16 MB of 64 dimensions."""


def rescore(
    queries: FloatArray, vectors: FloatArray, indices: ItemIndices
) -> SearchResult:
    """Return the items with their exact cosines, nearest first.

    A matrix product rounds a score by the shape of its block. Here a score depends on
    its query and its item alone, so every back end and batch size gives the same bits.

    Args:
        queries: `[B, D]` float32, or `[B, V, D]` for users of V vectors, whose largest
            cosine counts; L2-normalised.
        vectors: `[N, D]` float32, L2-normalised.
        indices: `[B, L]` int64, or `NO_ITEM`.

    Returns:
        `[B, L]`.
    """
    scores = np.full(indices.shape, -np.inf, np.float32)
    for rows, cosines in cosines_by_vector(queries, vectors, indices):
        scores[rows] = cosines.max(axis=1)
    return top_k(indices, scores, indices.shape[1])


def nearest_vector(
    queries: FloatArray, vectors: FloatArray, indices: ItemIndices
) -> Int64Array:
    """Return `[B, L]`, the index of the user's vector nearest to each item.

    The first of equally near vectors counts; `NO_ITEM` gives `NO_ITEM`.

    Args:
        queries: `[B, D]` or `[B, V, D]` float, of any length above 0.
        vectors: `[N, D]` float32, L2-normalised.
        indices: `[B, L]` int64, or `NO_ITEM`.
    """
    unit = normalise_queries(queries, vectors.shape[1])
    nearest = np.full(indices.shape, NO_ITEM, np.int64)
    for rows, cosines in cosines_by_vector(unit, vectors, indices):
        nearest[rows] = cosines.argmax(axis=1)
    return np.where(indices == NO_ITEM, NO_ITEM, nearest)


def merge(
    queries: FloatArray,
    vectors: FloatArray,
    found: SearchResult,
    k: int,
    *,
    quota: int | None = None,
) -> SearchResult:
    """Return each user's `k` best items among the results of the user's vectors.

    Args:
        queries: `[B, V, D]` float32, L2-normalised.
        vectors: `[N, D]` float32, L2-normalised.
        found: `[B · V, L]`, the results of each vector, with L of at least `k`.
        k: items per user.
        quota: items that each vector takes first, before the nearest of the rest fill
            the list. Pairs of vector and item are taken by falling cosine: an item
            once, by a vector that has fewer than its quota. None: no quota.

    Returns:
        `[B, k]`, without repeats, padded with `NO_ITEM`. With a quota, scores fall
        among the items within it, and again among the items that fill the list.
    """
    n_users, n_vectors, _ = queries.shape
    side_by_side = found.indices.reshape(n_users, n_vectors * found.indices.shape[1])
    candidates = mask_repeats(side_by_side)
    if quota is not None:
        return _merge_within_quota(queries, vectors, candidates, k, quota=quota)
    ordered = rescore(queries, vectors, candidates)
    return SearchResult(ordered.indices[:, :k], ordered.scores[:, :k])


def cosines_by_vector(
    queries: FloatArray, vectors: FloatArray, indices: ItemIndices
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the cosines of each user's vectors with the user's items, block by block.

    Args:
        queries: `[B, D]` or `[B, V, D]` float32, L2-normalised.
        vectors: `[N, D]` float32, L2-normalised.
        indices: `[B, L]` int64, or `NO_ITEM`.

    Yields:
        A slice of users, and their `[b, V, L]` float32 cosines; -inf for `NO_ITEM`.
    """
    per_vector = np.ascontiguousarray(with_vector_axis(queries).swapaxes(0, 1))
    n_rows = PAIRS_PER_BLOCK // max(1, indices.shape[1])
    for rows in row_slices(len(indices), n_rows):
        # NO_ITEM (-1) reads the last vector; its score is masked below.
        nearby = vectors[indices[rows]]
        scores = [np.einsum("bd,bld->bl", one[rows], nearby) for one in per_vector]
        is_empty = (indices[rows] == NO_ITEM)[:, np.newaxis]
        yield rows, np.where(is_empty, np.float32(-np.inf), np.stack(scores, axis=1))


def _merge_within_quota(
    queries: FloatArray,
    vectors: FloatArray,
    candidates: ItemIndices,
    k: int,
    *,
    quota: int,
) -> SearchResult:
    """Return `[B, k]`: items taken within the quota, then the best of the rest.

    Args:
        queries: `[B, V, D]` float32, L2-normalised.
        vectors: `[N, D]` float32, L2-normalised.
        candidates: `[B, L]` int64, without repeats, rising but for `NO_ITEM`. The k
            best of each vector suffice: at most k items are taken before its next one.
        k: items per user.
        quota: items that each vector takes.
    """
    indices = np.full((len(candidates), k), NO_ITEM, np.int64)
    scores = np.full((len(candidates), k), -np.inf, np.float32)
    for rows, cosines in cosines_by_vector(queries, vectors, candidates):
        items, score = candidates[rows], cosines.max(axis=1)
        is_taken = _take_within_quota(cosines, k, quota)
        first = top_k(np.where(is_taken, items, NO_ITEM), score, k)
        rest = top_k(np.where(is_taken, NO_ITEM, items), score, k)
        both = np.concatenate([first.indices, rest.indices], axis=1)
        both_scores = np.concatenate([first.scores, rest.scores], axis=1)
        # A stable sort moves empty ranks to the end and keeps all other order.
        order = np.argsort(both == NO_ITEM, axis=1, kind="stable")[:, :k]
        indices[rows] = np.take_along_axis(both, order, axis=1)
        scores[rows] = np.take_along_axis(both_scores, order, axis=1)
    return SearchResult(indices, scores)


def _take_within_quota(
    cosines: FloatArray, k: int, quota: int
) -> npt.NDArray[np.bool_]:
    """Return `[B, L]`, the items that vectors take: `quota` each, at most `k` in all.

    Args:
        cosines: `[B, V, L]` float32, -inf where there is no item.
        k: items per user.
        quota: items per vector.
    """
    n_users, n_vectors, n_items = cosines.shape
    is_taken = np.zeros((n_users, n_items), bool)
    n_taken = np.zeros((n_users, n_vectors), np.int64)
    left = cosines.swapaxes(1, 2).copy()  # ties go to the first item
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
