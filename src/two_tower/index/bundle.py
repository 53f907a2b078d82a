"""An index with all that its file does not hold."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from two_tower.index.base import METRIC, Index, SearchResult
from two_tower.types import FloatArray

GOLDEN_K: Final = 10
"""Results that are kept of each golden query."""

SAME_SCORE: Final = 1e-4
"""Another processor rounds a cosine by less; a wrong vector is further off."""


@dataclass(frozen=True)
class Recall:
    """What the index reached against exact search when it was built.

    Attributes:
        at_k: length of the compared lists.
        value: recall@k in [0, 1].
        target: what was asked for.
        n_queries: real users' vectors that it was measured on.
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
        found: positions and scores `[G, 10]`.
    """

    queries: FloatArray
    found: SearchResult


@dataclass(frozen=True, eq=False)
class IndexBundle:
    """All that serving needs to answer from one index.

    Attributes:
        index: finds positions.
        item_ids: `[N]` int64 or string; `item_ids[i]` is the item at position `i`.
        vectors: `[N, D]` float32, L2-normalised; may be memory-mapped.
        recall: how good the index is.
        golden: replayed whenever the bundle is opened.
        seed: that the index was built with.
        fingerprints: of what it was made from, dataset name → fingerprint.
    """

    index: Index
    item_ids: pa.Array
    vectors: FloatArray
    recall: Recall
    golden: GoldenQueries
    seed: int
    fingerprints: dict[str, str]

    metric: str = METRIC

    def __post_init__(self) -> None:
        """Refuse parts that don't belong together.

        Raises:
            ValueError: naming the sizes that differ.
        """
        index = (self.index.n_items, self.index.dimension)
        if index != self.vectors.shape or len(self.item_ids) != len(self.vectors):
            raise ValueError(
                f"the index holds {index[0]} vectors of {index[1]} dimensions, but "
                f"there are {len(self.item_ids)} item ids and vectors of the shape "
                f"{self.vectors.shape}; run the indexing pipeline again"
            )
        if self.metric != METRIC:
            raise ValueError(
                f"the index was built for the metric {self.metric!r}; "
                f"this version reads {METRIC!r}: run the indexing pipeline again"
            )

    @property
    def n_items(self) -> int:
        return self.index.n_items

    @property
    def dimension(self) -> int:
        return self.index.dimension


def ask_golden_queries(index: Index, queries: FloatArray) -> GoldenQueries:
    """Return the queries with what the index finds for them now."""
    return GoldenQueries(queries, index.search(queries, GOLDEN_K))


def replay_golden_queries(bundle: IndexBundle) -> None:
    """Refuse an index that no longer answers as it did when it was built.

    Equal scores may change places, as rounding differs between processors; so it is
    the scores that are compared, and an item's score is computed from its vector.

    Raises:
        ValueError: naming the first query that differs.
    """
    expected = bundle.golden.found
    found = bundle.index.search(bundle.golden.queries, expected.indices.shape[1])
    # Two empty places are equal: the difference of two -inf would be NaN.
    with np.errstate(invalid="ignore"):
        off = np.abs(found.scores - expected.scores) > SAME_SCORE
    wrong = np.flatnonzero(off.any(axis=1))
    if wrong.size:
        first = wrong[0]
        raise ValueError(
            f"{wrong.size} of {len(off)} golden queries are answered differently than "
            f"when the index was built (query {first}: "
            f"positions {found.indices[first][:5].tolist()} instead of "
            f"{expected.indices[first][:5].tolist()}, "
            f"scores {found.scores[first][:5].tolist()} instead of "
            f"{expected.scores[first][:5].tolist()}); run the indexing pipeline again"
        )
