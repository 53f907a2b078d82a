"""Exact search: scores every item, in blocks of bounded memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from two_tower.chunking import row_slices
from two_tower.index.base import (
    NO_ITEM,
    IndexParams,
    ItemIndices,
    SearchResult,
    normalise_queries,
)
from two_tower.index.rescoring import merge, rescore
from two_tower.index.top_k import keep_greatest, pack, unpack
from two_tower.query_vectors import with_vector_axis
from two_tower.types import FloatArray

SCORES_PER_BLOCK: Final = 1 << 20
"""4 MB of scores and 8 MB of keys: small enough to stay in the processor's cache."""

ITEMS_PER_BLOCK: Final = 1 << 13


class ExactIndex:
    """Index of recall 1 that scores every item and needs no file of its own."""

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
        """Write nothing: the bundle keeps the vectors."""


class ExactParams(IndexParams):
    """Exact search has no options."""

    def candidates(self, vectors: FloatArray, *, k: int, seed: int) -> list[ExactIndex]:
        return [ExactIndex(vectors)]

    @classmethod
    def open(
        cls, folder: Path, vectors: FloatArray, parameters: Mapping[str, int]
    ) -> ExactIndex:
        return ExactIndex(vectors)


def search_exactly(
    queries: FloatArray,
    vectors: FloatArray,
    k: int,
    *,
    among: ItemIndices | None = None,
) -> SearchResult:
    """Return the `k` nearest items of each query; every item is scored.

    Memory is bounded by `SCORES_PER_BLOCK` scores and, for the results of one block of
    queries, at most as many vectors, whatever B and N are.

    Args:
        queries: `[B, D]` float, of any length above 0; or `[B, V, D]` for users of V
            vectors, where the score of an item is the largest of V cosines.
        vectors: `[N, D]` float32, L2-normalised; may be memory-mapped.
        k: items per query.
        among: `[M]` int64, the only items to search; None: all items.

    Returns:
        `[B, k]`, ties by item row, padded with `NO_ITEM`.
    """
    by_vector = with_vector_axis(normalise_queries(queries, vectors.shape[1]))
    flat = by_vector.reshape(-1, vectors.shape[1])
    found = _search_each_vector(flat, vectors, k, among)
    return found if len(flat) == len(queries) else merge(by_vector, vectors, found, k)


def _search_each_vector(
    queries: FloatArray, vectors: FloatArray, k: int, among: ItemIndices | None
) -> SearchResult:
    """Return the `k` nearest items of each of `[B, D]` normalised queries."""
    searched = np.arange(len(vectors)) if among is None else among
    n_found = min(k, len(searched))
    items_per_block = max(1, min(len(searched), max(ITEMS_PER_BLOCK, 2 * n_found)))
    indices = np.full((len(queries), k), NO_ITEM, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    for rows in row_slices(len(queries), SCORES_PER_BLOCK // items_per_block):
        best = np.zeros((len(queries[rows]), 0), np.uint64)
        for items in row_slices(len(searched), items_per_block):
            block = vectors[items if among is None else among[items]]
            keys = pack(queries[rows] @ block.T, searched[np.newaxis, items])
            best = keep_greatest(np.concatenate([best, keys], axis=1), n_found)
        found = rescore(queries[rows], vectors, unpack(best).indices)
        indices[rows, :n_found], scores[rows, :n_found] = found
    return SearchResult(indices, scores)
