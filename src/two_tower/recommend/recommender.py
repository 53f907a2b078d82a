"""Recommender: lists of an index bundle, by item row in bulk or by raw id for one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult
from two_tower.index.bundle import IndexBundle
from two_tower.index.rescoring import nearest_vector
from two_tower.index.top_k import top_k
from two_tower.query_vectors import AXES_OF_SINGLE
from two_tower.ragged import Ragged
from two_tower.recommend.ids import IdLookup, require_count
from two_tower.recommend.seen_filter import ItemFilter, search_filtered
from two_tower.types import FloatArray

ItemId: TypeAlias = int | str

UNLEARNED_COLD_START: Final = (
    "these towers read profiles alone and were trained with "
    "training.profile.id_dropout at 0, so they have not learned a query for cold-start "
    "users; choose average or popular, or train with id_dropout above 0"
)


def rank_popular(
    counts: npt.NDArray[np.int64], k: int, *, seen: Ragged, item_filter: ItemFilter
) -> SearchResult:
    """Return the `k` most popular unseen, allowed items of each user.

    Args:
        counts: `[N]` int64, training interactions of each item.
        k: items per user, at least 1; cut to N.
        seen: B lists of item rows, each masked for its own user; `NO_ITEM` masks none.
        item_filter: masks items for all users.

    Returns:
        `[B, min(k, N)]`, ties by item row, padded with `NO_ITEM`; the scores are shares
        of all training interactions, in [0, 1].

    Raises:
        ValueError: if all counts are 0.
    """
    if not counts.any():
        raise ValueError(
            "the recommender has no counts of training interactions, so no item is "
            "popular; pass it the column n_train of item_vocabulary"
        )
    k = min(k, len(counts))
    shares = (counts / counts.sum()).astype(np.float32)
    allowed = item_filter.allowed_indices
    allowed = np.arange(len(counts)) if allowed is None else allowed
    # A user has seen at most that many of the most popular items.
    enough = min(k + int(seen.lengths.max(initial=0)), len(allowed))
    order = np.lexsort((allowed, -counts[allowed]))[:enough]
    best = np.tile(allowed[order], (len(seen), 1))
    unmasked = item_filter.mask(best, seen)
    return top_k(unmasked, np.where(unmasked == NO_ITEM, -np.inf, shares[best]), k)


@dataclass(frozen=True)
class RecommendedItem:
    """One item of a list.

    Attributes:
        rank: from 1.
        item_id: raw id.
        title: None where there is none.
        score: cosine, in [-1, 1]; of a popular item its share of the training
            interactions, in [0, 1].
        vector_index: the user's vector nearest to the item; None for a single query
            vector or none.
    """

    rank: int
    item_id: ItemId
    title: str | None
    score: float
    vector_index: int | None = None


class Recommender:
    """Recommends items of one bundle, by item row in bulk or by raw id for one user.

    Attributes:
        bundle: the index and its items.
        titles: `[N]` Arrow strings, null where an item has none.
        counts: `[N]` int64, training interactions of each item.
    """

    def __init__(self, bundle: IndexBundle, items: pa.Table | None = None) -> None:
        """Read titles and counts into the order of the index.

        Args:
            bundle: the index and its items.
            items: `item_id` and optionally `title` (string or null) and `n_train`
                (int64, training interactions), in any order; items that the index
                lacks are skipped.
        """
        self.bundle = bundle
        self._lookup = IdLookup(bundle.item_ids, what="items", where="the index")
        self.titles = pa.array(self._read_column(items, "title", None), pa.string())
        self.counts = self._read_column(items, "n_train", 0).astype(np.int64)

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
        """Return the `k` best unseen, allowed items of each user.

        Args:
            queries: `[B, D]` float, of any length above 0; or `[B, V, D]` for users of
                V vectors, where the score of an item is the largest of V cosines.
            seen: B lists of item rows, each masked for its own user; `NO_ITEM` masks
                none.
            k: items per user, at least 1; cut to the N items of the index.
            allow: `[M]` int64, the only items to recommend; None: all items.
            exclude: `[M]` int64, items never to recommend.
            quota: items taken from each vector's own list before the best of the rest
                fill the list; None: no quota.

        Returns:
            `[B, min(k, N)]`, without repeats; padded with `NO_ITEM` only if no other
            item is left for the user.
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
            seen: raw ids never to recommend; ids that the index lacks are skipped.
            k: items to return, at least 1.
            allow: the only raw ids to recommend; None: all items.
            exclude: raw ids never to recommend; ids that the index lacks are skipped.
            quota: see `recommend`.

        Raises:
            ValueError: if `k` or `quota` is not a whole number above 0, or the index
                lacks all ids of `allow`.
        """
        if quota is not None:
            quota = require_count(quota, "quota")
        queries = np.asarray(query, np.float32)[np.newaxis]
        found = self.recommend(
            queries,
            Ragged.from_lists([self.find_indices(list(seen))], np.int64),
            require_count(k, "k"),
            allow=None if allow is None else self._allowed_indices(list(allow)),
            exclude=None if exclude is None else self._deployed(list(exclude)),
            quota=quota,
        )
        items = self.name_items(found)
        if queries.ndim > AXES_OF_SINGLE:
            (nearest,) = nearest_vector(queries, self.bundle.vectors, found.indices)
            numbered = zip(items, nearest.tolist(), strict=False)  # empty ranks last
            return [replace(item, vector_index=index) for item, index in numbered]
        return items

    def nearest_items(self, item_id: ItemId, k: int) -> list[RecommendedItem]:
        """Return at most `k` items nearest to an item, without that item.

        Raises:
            ValueError: if the index lacks the item, or `k` is not a whole number above
                0.
        """
        item = self.require_indices([item_id])
        seen, k = Ragged.from_lists([item], np.int64), require_count(k, "k")
        return self.name_items(self.recommend(self.bundle.vectors[item], seen, k))

    def recommend_popular(
        self,
        seen: Ragged,
        k: int,
        *,
        allow: ItemIndices | None = None,
        exclude: ItemIndices | None = None,
    ) -> SearchResult:
        """Return the `k` most popular unseen, allowed items of each cold-start user.

        Args:
            seen: B lists of item rows, each masked for its own user.
            k: items per user, at least 1; cut to the N items of the index.
            allow: `[M]` int64, the only items to recommend; None: all items.
            exclude: `[M]` int64, items never to recommend.

        Returns:
            See `rank_popular`.

        Raises:
            ValueError: if the recommender has no counts.
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
        """Return the item rows of raw ids.

        Raises:
            ValueError: naming the ids that the index lacks.
        """
        return self._lookup.require(item_ids)

    def find_indices(self, item_ids: Any) -> ItemIndices:
        """Return the item rows of raw ids, `NO_ITEM` where the index lacks one.

        Args:
            item_ids: list, NumPy array or Arrow array of raw ids.
        """
        return self._lookup.find(item_ids)

    def find_texts(self, item_ids: Iterable[ItemId]) -> tuple[ItemIndices, list[str]]:
        """Return the item rows of ids matched as text, and the ids that are lacking."""
        return self._lookup.find_texts(item_ids)

    def name_items(self, found: SearchResult) -> list[RecommendedItem]:
        """Return the only row of a search result with raw ids and titles."""
        return [
            RecommendedItem(
                rank=rank,
                item_id=self.bundle.item_ids[item].as_py(),
                title=self.titles[item].as_py(),
                score=score,
            )
            for rank, (item, score) in enumerate(
                zip(found.indices[0].tolist(), found.scores[0].tolist(), strict=True),
                start=1,
            )
            if item != NO_ITEM
        ]

    def _deployed(self, item_ids: list[ItemId]) -> ItemIndices:
        """Return the item rows of the ids that the index has."""
        indices = self.find_indices(item_ids)
        return np.delete(indices, np.flatnonzero(indices == NO_ITEM))

    def _allowed_indices(self, item_ids: list[ItemId]) -> ItemIndices:
        indices = self._deployed(item_ids)
        return indices if len(indices) else self.require_indices(item_ids)

    def _read_column(
        self, items: pa.Table | None, column: str, default: Any
    ) -> npt.NDArray[np.object_]:
        """Return `[N]`, a column of the items in the order of the index."""
        values = np.full(self.bundle.n_items + 1, default, object)
        if items is not None and column in items.column_names:
            indices = self.find_indices(items["item_id"])
            # An item that the index lacks (-1) writes to the surplus last element.
            values[indices] = np.asarray(items[column], object)
        return values[:NO_ITEM]
