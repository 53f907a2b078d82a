"""Annoy, a forest of random projection trees, as an index."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from two_tower.index.base import NO_ITEM, SearchResult, normalise_queries
from two_tower.index.rescoring import rescore
from two_tower.types import FloatArray

if TYPE_CHECKING:
    from annoy import AnnoyIndex

FILE_NAME: Final = "trees.ann"

ANNOY_METRIC: Final = "angular"
"""On unit vectors the order of cosine; Annoy's "dot" loses most of a list."""


@dataclass(frozen=True, eq=False)
class AnnoyTrees:
    """Trees that name the candidates, and vectors that give them exact scores.

    Attributes:
        trees: the Annoy index over `vectors`.
        vectors: `[N, D]` float32, L2-normalised; may be memory-mapped.
        search_k: nodes looked at per query that asks for up to `at_k` items; a longer
            list looks at proportionally more.
        at_k: the length of list that `search_k` was chosen for.
    """

    backend: ClassVar[str] = "annoy"
    library: ClassVar[str | None] = "annoy"

    trees: "AnnoyIndex"
    vectors: FloatArray
    search_k: int
    at_k: int

    @classmethod
    def build(
        cls, vectors: FloatArray, *, n_trees: int, search_k: int, at_k: int, seed: int
    ) -> Self:
        """Return the forest over these vectors, the same to the byte for one seed."""
        from annoy import AnnoyIndex

        trees = AnnoyIndex(vectors.shape[1], ANNOY_METRIC)
        trees.set_seed(seed)
        for position, vector in enumerate(vectors):
            trees.add_item(position, vector.tolist())
        # More than one job would share the seed's generator in no fixed order.
        trees.build(n_trees, n_jobs=1)
        return cls(trees, vectors, search_k, at_k)

    @property
    def n_items(self) -> int:
        return self.trees.get_n_items()

    @property
    def dimension(self) -> int:
        return self.trees.f

    @property
    def parameters(self) -> dict[str, int]:
        n_trees = self.trees.get_n_trees()
        return {"n_trees": n_trees, "search_k": self.search_k, "at_k": self.at_k}

    def with_search_k(self, search_k: int) -> Self:
        """Return the same trees with another search effort; nothing is built."""
        return replace(self, search_k=search_k)

    def search(self, queries: FloatArray, k: int) -> SearchResult:
        queries = normalise_queries(queries, self.dimension)
        effort = -(-self.search_k * max(k, self.at_k) // self.at_k)
        positions = np.full((len(queries), k), NO_ITEM, np.int64)
        for row, query in enumerate(queries):
            nearby = self.trees.get_nns_by_vector(query.tolist(), k, effort)
            positions[row, : len(nearby)] = nearby
        return rescore(queries, self.vectors, positions)

    def save(self, folder: Path) -> None:
        self.trees.save(os.fspath(folder / FILE_NAME))

    @classmethod
    def open(
        cls, folder: Path, vectors: FloatArray, parameters: Mapping[str, int]
    ) -> Self:
        from annoy import AnnoyIndex

        trees = AnnoyIndex(vectors.shape[1], ANNOY_METRIC)
        path = folder / FILE_NAME
        try:
            trees.load(os.fspath(path))
        except OSError as error:
            raise ValueError(
                f"{path} is not an Annoy index of {vectors.shape[1]} dimensions"
            ) from error
        if trees.get_n_trees() != parameters["n_trees"]:
            raise ValueError(
                f"{path} holds {trees.get_n_trees()} trees, "
                f"but was built with {parameters['n_trees']}"
            )
        return cls(trees, vectors, parameters["search_k"], parameters["at_k"])
