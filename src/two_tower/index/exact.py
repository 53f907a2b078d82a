"""Exact search: every item is scored, in blocks of bounded memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np

from two_tower.chunking import row_slices
from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult, normalise_queries
from two_tower.index.rescoring import merge, rescore
from two_tower.index.top_k import keep_greatest, pack, unpack
from two_tower.query_vectors import with_vector_axis
from two_tower.types import FloatArray

SCORES_PER_BLOCK: Final = 1 << 20
"""4 MB of scores and 8 MB of keys: small enough to stay in the processor's cache."""

ITEMS_PER_BLOCK: Final = 1 << 13


class ExactIndex:
    """Scores every item; it needs no file but the vectors, and has recall 1."""

    backend: ClassVar[str] = "exact"
    library: ClassVar[str | None] = None

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors = vectors

    @property
    def n_items(self) -> int:
        return len(self._vectors)

    @property
    def dimension(self) -> int:
        return int(self._vectors.shape[1])

    @property
    def parameters(self) -> dict[str, int]:
        return {}

    def search(self, queries: FloatArray, k: int) -> SearchResult:
        return search_exactly(queries, self._vectors, k)

    def save(self, folder: Path) -> None:
        """Write nothing: the vectors are all there is."""

    @classmethod
    def open(
        cls, folder: Path, vectors: FloatArray, parameters: Mapping[str, int]
    ) -> Self:
        return cls(vectors)


def search_exactly(
    queries: FloatArray,
    vectors: FloatArray,
    k: int,
    *,
    among: ItemIndices | None = None,
) -> SearchResult:
    """Return the `k` nearest items of each query, all items scored.

    Memory is `SCORES_PER_BLOCK` scores and, for the results of one block of queries,
    at most as many vectors again, whatever B and N are.

    Args:
        queries: `[B, D]` float, of any length above 0; or `[B, V, D]` for users of V
            vectors each, to whom an item is as near as to the nearest of them.
        vectors: `[N, D]` float32, L2-normalised; may be memory-mapped.
        k: how many.
        among: `[M]` int64, the only positions to consider; None for all.

    Returns:
        `[B, k]`, equal scores by position, padded with `NO_ITEM`.
    """
    by_vector = with_vector_axis(normalise_queries(queries, vectors.shape[1]))
    single = by_vector.reshape(-1, vectors.shape[1])
    found = _search_each(single, vectors, k, among)
    return found if len(single) == len(queries) else merge(by_vector, vectors, found, k)


def _search_each(
    queries: FloatArray, vectors: FloatArray, k: int, among: ItemIndices | None
) -> SearchResult:
    """Return the `k` nearest items of each of `[B, D]` normalised queries."""
    chosen = np.arange(len(vectors)) if among is None else among
    n_found = min(k, len(chosen))
    items_per_block = max(1, min(len(chosen), max(ITEMS_PER_BLOCK, 2 * n_found)))
    positions = np.full((len(queries), k), NO_ITEM, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    for rows in row_slices(len(queries), SCORES_PER_BLOCK // items_per_block):
        best = np.zeros((len(queries[rows]), 0), np.uint64)
        for items in row_slices(len(chosen), items_per_block):
            block = vectors[items if among is None else among[items]]
            keys = pack(queries[rows] @ block.T, chosen[np.newaxis, items])
            best = keep_greatest(np.concatenate([best, keys], axis=1), n_found)
        found = rescore(queries[rows], vectors, unpack(best).indices)
        positions[rows, :n_found], scores[rows, :n_found] = found
    return SearchResult(positions, scores)
