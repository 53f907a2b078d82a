"""Annoy back end: a forest of random projection trees."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self, TypeAlias

import numpy as np
from pydantic import BeforeValidator, Field, PositiveInt

from two_tower.index.base import (
    NO_ITEM,
    IndexParams,
    SearchResult,
    normalise_queries,
)
from two_tower.index.rescoring import rescore
from two_tower.params import Size
from two_tower.types import FloatArray

if TYPE_CHECKING:
    from annoy import AnnoyIndex

FILE_NAME: Final = "trees.ann"

ANNOY_METRIC: Final = "angular"
"""Ranks unit vectors by cosine; Annoy's "dot" loses most of a list."""


@dataclass(frozen=True, eq=False)
class AnnoyTrees:
    """Trees that retrieve candidates, and the vectors that score them exactly.

    Attributes:
        trees: the Annoy index over `vectors`.
        vectors: `[N, D]` float32, L2-normalised; may be memory-mapped.
        search_k: nodes inspected per query for lists of up to `at_k` items; a longer
            list inspects proportionally more.
        at_k: length of the lists that `search_k` was chosen for.
    """

    library: ClassVar[str | None] = "annoy"

    trees: "AnnoyIndex"
    vectors: FloatArray
    search_k: int
    at_k: int

    @classmethod
    def build(
        cls, vectors: FloatArray, *, n_trees: int, search_k: int, at_k: int, seed: int
    ) -> Self:
        """Return a forest over the vectors; a seed always gives the same bytes."""
        from annoy import AnnoyIndex

        trees = AnnoyIndex(vectors.shape[1], ANNOY_METRIC)
        trees.set_seed(seed)
        for item, vector in enumerate(vectors):
            trees.add_item(item, vector.tolist())
        # Several jobs would share the seed's generator in no fixed order.
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

    def search(self, queries: FloatArray, k: int) -> SearchResult:
        queries = normalise_queries(queries, self.dimension)
        n_nodes = -(-self.search_k * max(k, self.at_k) // self.at_k)
        indices = np.full((len(queries), k), NO_ITEM, np.int64)
        for row, query in enumerate(queries):
            nearby = self.trees.get_nns_by_vector(query.tolist(), k, n_nodes)
            indices[row, : len(nearby)] = nearby
        return rescore(queries, self.vectors, indices)

    def save(self, folder: Path) -> None:
        self.trees.save(os.fspath(folder / FILE_NAME))


def _as_tuple(value: Any) -> Any:
    """Return one number as a tuple of one, since --params takes no lists."""
    return (value,) if isinstance(value, int) else value


Settings: TypeAlias = Annotated[
    tuple[PositiveInt, ...], BeforeValidator(_as_tuple), Field(min_length=1)
]


Forests: TypeAlias = Annotated[
    tuple[Size, ...], BeforeValidator(_as_tuple), Field(min_length=1)
]


class AnnoyParams(IndexParams):
    """Settings that tuning may choose from; one number fixes a setting."""

    n_trees: Forests = Field(
        description="forest sizes, smallest first; more trees cost memory and build "
        "time"
    )
    search_k: Settings = Field(
        description="nodes inspected per query for a list of `recall_k` items, fewest "
        "first; more nodes cost time per query"
    )

    def candidates(
        self, vectors: FloatArray, *, k: int, seed: int
    ) -> Iterator[AnnoyTrees]:
        """Yield every search effort of a forest before the next larger forest."""
        efforts = sorted(self.search_k)
        for n_trees in sorted(self.n_trees):
            forest = AnnoyTrees.build(
                vectors, n_trees=n_trees, search_k=efforts[0], at_k=k, seed=seed
            )
            for search_k in efforts:
                yield replace(forest, search_k=search_k)
                if search_k >= n_trees * len(vectors):
                    break  # this search inspects every leaf of every tree

    @classmethod
    def open(
        cls, folder: Path, vectors: FloatArray, parameters: Mapping[str, int]
    ) -> AnnoyTrees:
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
        return AnnoyTrees(trees, vectors, parameters["search_k"], parameters["at_k"])
