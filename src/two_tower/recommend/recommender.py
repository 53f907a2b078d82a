"""Recommendations from a bundle, in raw ids and titles."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult
from two_tower.index.bundle import IndexBundle
from two_tower.index.rescoring import nearest_vector
from two_tower.index.top_k import top_k
from two_tower.query_vectors import AXES_OF_SINGLE
from two_tower.ragged import Ragged
from two_tower.recommend.ids import IdLookup
from two_tower.recommend.seen_filter import ItemFilter, search_filtered
from two_tower.types import FloatArray

ItemId: TypeAlias = int | str


def rank_popular(
    counts: npt.NDArray[np.int64], k: int, *, seen: Ragged, item_filter: ItemFilter
) -> SearchResult:
    """Return the `k` most popular items that may be shown to each user.

    Args:
        counts: `[N]` int64 by position, interactions of the training.
        k: items to return, at least 1.
        seen: B rows of positions that are hidden from one user; `NO_ITEM` hides none.
        item_filter: masks items for all users.

    Returns:
        `[B, k]`, equal counts by position, padded with `NO_ITEM`; the scores are
        shares of all interactions, in [0, 1].

    Raises:
        ValueError: if no item was ever met.
    """
    if not counts.any():
        raise ValueError(
            "it is not known how popular the items are; give the recommender the "
            "items' n_train, as item_vocabulary has it"
        )
    shares = (counts / counts.sum()).astype(np.float32)
    chosen = item_filter.allowed_indices
    open_items = np.arange(len(counts)) if chosen is None else chosen
    # What a user has seen can hide at most so many of the best.
    enough = min(k + int(seen.lengths.max(initial=0)), len(open_items))
    order = np.lexsort((open_items, -counts[open_items]))[:enough]
    best = np.tile(open_items[order], (len(seen), 1))
    left = item_filter.mask(best, seen)
    return top_k(left, np.where(left == NO_ITEM, -np.inf, shares[best]), k)


@dataclass(frozen=True)
class RecommendedItem:
    """One place in a list.

    Attributes:
        rank: from 1.
        item_id: as the data gave it.
        title: None where there is none.
        score: cosine, in [-1, 1]; of popular items, the share of the training's
            interactions, in [0, 1].
        vector_index: which of a user's several vectors is nearest to it; None where
            the query is a single one, or none.
    """

    rank: int
    item_id: ItemId
    title: str | None
    score: float
    vector_index: int | None = None


class Recommender:
    """Answers from one bundle: by position in bulk, by raw id at its edge.

    Attributes:
        bundle: the index and its items.
        titles: `[N]` Arrow strings by position, null where an item has none.
        counts: `[N]` int64 by position, how often training has met each item.
    """

    def __init__(self, bundle: IndexBundle, items: pa.Table | None = None) -> None:
        """Make ready to answer.

        Args:
            bundle: the index and its items.
            items: what is known of them, in any order: `item_id` and, where there is
                any, `title` (string, null where there is none) and `n_train` (int64,
                interactions of the training). Items that the index lacks are passed
                over.
        """
        self.bundle = bundle
        self._lookup = IdLookup(bundle.item_ids, what="items", where="the index")
        self.titles = pa.array(self._by_position(items, "title", None), pa.string())
        self.counts = self._by_position(items, "n_train", 0).astype(np.int64)

    def recommend(
        self,
        queries: FloatArray,
        seen: Ragged,
        k: int,
        *,
        allow: ItemIndices | None = None,
        exclude: ItemIndices | None = None,
        quota: int | None = None,
    ) -> SearchResult:
        """Return the `k` best items of each query that may be shown to its user.

        Args:
            queries: `[B, D]` float, of any length above 0; or `[B, V, D]` for users of
                V vectors each, the nearest of which counts.
            seen: B rows of positions that are hidden from one user; `NO_ITEM`, an item
                that the index lacks, hides none.
            k: items to return, at least 1.
            allow: `[M]` int64, the only positions to show; None for all.
            exclude: `[M]` int64, positions to show to nobody.
            quota: items that are taken from each vector's own list before the best of
                the others fill the list; None for no limit.

        Returns:
            `[B, k]`, every item once; padded with `NO_ITEM` only if no further item
            may be shown.
        """
        return search_filtered(
            self.bundle,
            queries,
            k,
            seen=seen,
            item_filter=ItemFilter.of(
                self.bundle.n_items, allow=allow, exclude=exclude
            ),
            quota=quota,
        )

    def recommend_to(
        self,
        query: FloatArray,
        seen: Iterable[ItemId],
        k: int,
        *,
        allow: Iterable[ItemId] | None = None,
        exclude: Iterable[ItemId] | None = None,
        quota: int | None = None,
    ) -> list[RecommendedItem]:
        """Return at most `k` items for one user.

        Args:
            query: `[D]` or `[V, D]` float.
            seen: ids to hide; one that the index doesn't hold is hidden anyway.
            k: items to return, at least 1.
            allow: the only ids to show; None for all.
            exclude: ids not to show.
            quota: as of `recommend`.

        Raises:
            ValueError: if an id of `allow` or `exclude` is not in the index.
        """
        queries = np.asarray(query, np.float32)[np.newaxis]
        found = self.recommend(
            queries,
            Ragged.from_lists([self.find_indices(list(seen))], np.int64),
            k,
            allow=None if allow is None else self.require_indices(allow),
            exclude=None if exclude is None else self.require_indices(exclude),
            quota=quota,
        )
        items = self.named(found)
        if queries.ndim > AXES_OF_SINGLE:
            (nearest,) = nearest_vector(queries, self.bundle.vectors, found.indices)
            numbered = zip(items, nearest.tolist(), strict=False)  # empty places last
            return [replace(item, vector_index=index) for item, index in numbered]
        return items

    def nearest_items(self, item_id: ItemId, k: int) -> list[RecommendedItem]:
        """Return at most `k` items nearest to an item, itself left out.

        Raises:
            ValueError: if the item is not in the index.
        """
        position = self.require_indices([item_id])
        seen = Ragged.from_lists([position], np.int64)
        return self.named(self.recommend(self.bundle.vectors[position], seen, k))

    def recommend_popular(
        self,
        seen: Ragged,
        k: int,
        *,
        allow: ItemIndices | None = None,
        exclude: ItemIndices | None = None,
    ) -> SearchResult:
        """Return the `k` most popular items that may be shown to each user.

        It is for users of whom nothing is known, so that no query can be made.

        Args:
            seen: B rows of positions that are hidden from one user.
            k: items to return, at least 1.
            allow: `[M]` int64, the only positions to show; None for all.
            exclude: `[M]` int64, positions to show to nobody.

        Returns:
            `[B, k]` as `recommend`; the scores are shares of the training's
            interactions, in [0, 1].

        Raises:
            ValueError: if the items' counts were not given.
        """
        return rank_popular(
            self.counts,
            k,
            seen=seen,
            item_filter=ItemFilter.of(
                self.bundle.n_items, allow=allow, exclude=exclude
            ),
        )

    def require_indices(self, item_ids: Iterable[ItemId]) -> ItemIndices:
        """Return the positions of these items.

        Raises:
            ValueError: naming the items that are not in the index.
        """
        return self._lookup.require(item_ids)

    def find_indices(self, item_ids: Any) -> ItemIndices:
        """Return the positions of these items, `NO_ITEM` for those not in the index.

        Args:
            item_ids: a list, NumPy array or Arrow array of raw ids.
        """
        return self._lookup.find(item_ids)

    def _by_position(
        self, items: pa.Table | None, column: str, default: Any
    ) -> npt.NDArray[np.object_]:
        """Return `[N]`, a column of the items by position."""
        values = np.full(self.bundle.n_items + 1, default, object)
        if items is not None and column in items.column_names:
            positions = self.find_indices(items["item_id"])
            # An item that the index lacks (-1) writes to the last place.
            values[positions] = np.asarray(items[column], object)
        return values[:NO_ITEM]

    def named(self, found: SearchResult) -> list[RecommendedItem]:
        """Return the only row of `found` in raw ids, with titles."""
        return [
            RecommendedItem(
                rank=rank,
                item_id=self.bundle.item_ids[position].as_py(),
                title=self.titles[position].as_py(),
                score=score,
            )
            for rank, (position, score) in enumerate(
                zip(found.indices[0].tolist(), found.scores[0].tolist(), strict=True),
                start=1,
            )
            if position != NO_ITEM
        ]
