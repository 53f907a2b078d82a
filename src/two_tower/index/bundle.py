"""Index bundle: an index with its vectors, item ids, recall and golden queries."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from two_tower.index.base import METRIC, Index, SearchResult
from two_tower.types import FloatArray

GOLDEN_K: Final = 10
"""Results kept per golden query."""

SAME_SCORE: Final = 1e-4
"""Processors round a cosine by less; the score of a wrong vector differs by more."""


@dataclass(frozen=True)
class Recall:
    """Recall of the index against exact search, measured when it was built.

    Attributes:
        at_k: length of the compared lists.
        value: recall@k in [0, 1].
        target: recall@k that the index had to reach.
        n_queries: vectors of sampled users that were searched for.
    """

    at_k: int
    value: float
    target: float
    n_queries: int


@dataclass(frozen=True, eq=False)
class GoldenQueries:
    """Queries with the results that the index gave when it was built.

    Attributes:
        queries: `[G, D]` float32.
        found: indices and scores `[G, 10]`.
    """

    queries: FloatArray
    found: SearchResult


@dataclass(frozen=True, eq=False)
class IndexBundle:
    """Everything that serving needs to search one index.

    Attributes:
        backend: kind of the index in the registry.
        index: searches the item vectors.
        item_ids: `[N]` int64 or string; `item_ids[i]` is the id of item row `i`.
        vectors: `[N, D]` float32, L2-normalised; may be memory-mapped.
        recall: measured when the index was built.
        golden: replayed whenever the bundle is opened.
        seed: of the sample of users and of the index.
        fingerprints: name of each dataset it was made from → fingerprint.
        metric: of the scores.
    """

    backend: str
    index: Index
    item_ids: pa.Array
    vectors: FloatArray
    recall: Recall
    golden: GoldenQueries
    seed: int
    fingerprints: dict[str, str]

    metric: str = METRIC

    def __post_init__(self) -> None:
        """Check that the parts belong together.

        Raises:
            ValueError: naming the sizes that differ.
        """
        index = (self.index.n_items, self.index.dimension)
        if index != self.vectors.shape or len(self.item_ids) != len(self.vectors):
            raise ValueError(
                f"the index holds {index[0]} vectors of {index[1]} dimensions, but "
                f"there are {len(self.item_ids)} item ids and vectors of the shape "
                f"{self.vectors.shape}; run: kedro run --pipelines indexing"
            )
        if self.metric != METRIC:
            raise ValueError(
                f"the index was built for the metric {self.metric!r}; "
                f"this version reads {METRIC!r}; run: kedro run --pipelines indexing"
            )

    @property
    def n_items(self) -> int:
        return self.index.n_items

    @property
    def dimension(self) -> int:
        return self.index.dimension


def search_golden_queries(index: Index, queries: FloatArray) -> GoldenQueries:
    """Return the `[G, D]` queries with the present results of the index."""
    return GoldenQueries(queries, index.search(queries, GOLDEN_K))


def replay_golden_queries(bundle: IndexBundle) -> None:
    """Raise an error if the index no longer answers as it did when it was built.

    Ties may change ranks, as processors round differently; so scores are compared.

    Raises:
        ValueError: naming the first query that differs.
    """
    expected = bundle.golden.found
    found = bundle.index.search(bundle.golden.queries, expected.indices.shape[1])
    # Two empty ranks are equal: the difference of two -inf would be NaN.
    with np.errstate(invalid="ignore"):
        differs = np.abs(found.scores - expected.scores) > SAME_SCORE
    wrong = np.flatnonzero(differs.any(axis=1))
    if wrong.size:
        first = wrong[0]
        raise ValueError(
            f"{wrong.size} of {len(differs)} golden queries have other results than "
            f"when the index was built (query {first}: "
            f"items {found.indices[first][:5].tolist()} instead of "
            f"{expected.indices[first][:5].tolist()}, "
            f"scores {found.scores[first][:5].tolist()} instead of "
            f"{expected.scores[first][:5].tolist()}); run: "
            "kedro run --pipelines indexing"
        )
