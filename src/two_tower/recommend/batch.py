"""Batch recommender: lists for a stream of users, one batch of them at a time."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Final
from zlib import crc32

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.chunking import cut_tables, row_slices
from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult
from two_tower.index.rescoring import nearest_vector
from two_tower.index.vectors import group_by_user, plain_ids
from two_tower.query_vectors import AXES_OF_SINGLE, with_vector_axis
from two_tower.ragged import Ragged
from two_tower.recommend.explanations import explain_items
from two_tower.recommend.random_order import Order
from two_tower.recommend.recommender import Recommender
from two_tower.recommend.seen_filter import ItemFilter
from two_tower.types import FloatArray

logger = logging.getLogger(__name__)

RANKS_PER_BATCH: Final = 1 << 22
"""Ranks of all lists of a batch: 50 MB of items and scores."""


@dataclass(frozen=True, eq=False)
class RecommendationOptions:
    """Options of all lists: length, masks, order and explanations.

    Attributes:
        k: items per user; cut to the items of the index.
        allow: `[M]` int64, the only items to recommend; None: all items.
        exclude: `[M]` int64, items never to recommend; None: no item.
        order: chooses the items from the best ones.
        quota: items taken from each vector's own list first; None: no quota.
        filter_seen: whether to mask the items that a user has seen.
        n_similar: similar history items per recommendation.
    """

    k: int
    allow: ItemIndices | None
    exclude: ItemIndices | None
    order: Order
    quota: int | None
    filter_seen: bool
    n_similar: int


@dataclass(frozen=True, eq=False)
class ColdStartUsers:
    """Listed users without an embedding, served as cold-start users.

    Attributes:
        user_ids: `[U]` int64 or string.
        seen: U lists of raw item ids that the users have seen.
        query: `[D]` or `[V, D]` float32; None: recommend the most popular items.
    """

    user_ids: pa.Array
    seen: pa.ListArray
    query: FloatArray | None

    def slice(self, rows: slice) -> "ColdStartUsers":
        """Return some of the users."""
        n_rows = rows.stop - rows.start
        return ColdStartUsers(
            self.user_ids.slice(rows.start, n_rows),
            self.seen.slice(rows.start, n_rows),
            self.query,
        )

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """`[U]` int64, the hash of each id, which seeds a random order."""
        ids = self.user_ids.to_pylist()
        return np.array([crc32(str(one).encode()) for one in ids], np.int64)


@dataclass(frozen=True, eq=False)
class RecommendationLists:
    """Lists of some users, with their explanations.

    Attributes:
        user_ids: `[B]` int64 or string.
        found: `[B, k]`.
        vector_index: `[B, k]`, the user's vector nearest to each item; `NO_ITEM`
            without a vector.
        similar: `[B, k, n_similar]`, the history items nearest to each item, nearest
            first, padded with `NO_ITEM`.
    """

    user_ids: pa.Array
    found: SearchResult
    vector_index: npt.NDArray[np.int64]
    similar: ItemIndices


@dataclass
class ListLengths:
    """Numbers of lists, and of those that are short, with the reasons.

    Attributes:
        k: items that a list should have.
        n_allowed: items that the lists `allow_items` and `exclude_items` leave.
        n_lists: lists counted so far.
        n_short: those with fewer than `k` items.
        n_empty: those without an item.
        n_after_seen_filter: those that lack items because the user has seen them.
    """

    k: int
    n_allowed: int
    n_lists: int = 0
    n_short: int = 0
    n_empty: int = 0
    n_after_seen_filter: int = 0

    def count(self, indices: ItemIndices) -> None:
        """Count the lists of `[B, k]` item rows."""
        lengths = (indices != NO_ITEM).sum(axis=1)
        self.n_lists += len(lengths)
        self.n_short += int((lengths < self.k).sum())
        self.n_empty += int((lengths == 0).sum())
        self.n_after_seen_filter += int((lengths < min(self.k, self.n_allowed)).sum())

    def log(self) -> None:
        """Log the numbers, and why lists are short."""
        logger.info(
            "recommended up to %d items to each of %d users", self.k, self.n_lists
        )
        if not self.n_short:
            return
        reasons = []
        if self.n_allowed < self.k:
            reasons.append(
                f"allow_items and exclude_items leave {self.n_allowed} items"
            )
        if self.n_after_seen_filter:
            reasons.append(
                f"the seen filter leaves too few items to {self.n_after_seen_filter} "
                "users"
            )
        logger.info(
            "%d of %d lists are short, %d of them empty: %s",
            self.n_short,
            self.n_lists,
            self.n_empty,
            "; ".join(reasons),
        )


@dataclass(frozen=True, eq=False)
class BatchRecommender:
    """Iterable of batches of recommendations, computed when they are consumed.

    It is not an iterator: Kedro would save each batch of an iterator by itself, over
    the one before.

    Attributes:
        recommender: searches the index.
        users: one row per vector: `user` (int32), `user_id`, `vector_index` (int32,
            from 0), `vector` (array<float32>) and, where the index is 0, `item_ids`
            (array, the user's history) and `seen_ids` (array, all that the user has
            seen); null for no item.
        n_vectors: V, vectors per user.
        cold_start_users: come last.
        options: of all lists.
        users_per_batch: users of one vector per batch; long lists make it smaller.
    """

    recommender: Recommender
    users: ir.Table
    n_vectors: int
    cold_start_users: ColdStartUsers
    options: RecommendationOptions
    users_per_batch: int

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the table `recommendations`, in order of `user`."""
        item_filter = ItemFilter.of(
            self.recommender.bundle.n_items,
            allow=self.options.allow,
            exclude=self.options.exclude,
        )
        lengths = ListLengths(self.options.k, item_filter.n_allowed)
        for lists in self._recommend_to_all():
            lengths.count(lists.found.indices)
            yield self._to_rows(lists)
        lengths.log()

    @property
    def batch_size(self) -> int:
        """Whole users per batch, about `users_per_batch` vectors: each is a search."""
        most = RANKS_PER_BATCH // self._n_candidates
        return max(1, min(self.users_per_batch, most) // self.n_vectors)

    @property
    def _n_candidates(self) -> int:
        """Items that a list is chosen from, at most those of the index."""
        options = self.options
        n_items = self.recommender.bundle.n_items
        return min(options.order.n_candidates(options.k), n_items)

    def _recommend_to_all(self) -> Iterator[RecommendationLists]:
        size = self.batch_size * self.n_vectors
        ordered = self.users.order_by("user", "vector_index")
        batches = ordered.to_pyarrow_batches(chunk_size=size)
        for chunk in cut_tables(batches, ordered.schema().to_pyarrow(), repeat(size)):
            if chunk.num_rows:
                yield self._recommend_to_users(chunk)
        n_cold = len(self.cold_start_users.user_ids)
        for rows in row_slices(n_cold, self.batch_size):
            yield self._recommend_to_cold_start_users(self.cold_start_users.slice(rows))

    def _recommend_to_users(self, rows: pa.Table) -> RecommendationLists:
        users = group_by_user(rows, self.n_vectors)
        n_users, n_vectors, _ = users.vectors.shape
        first_rows = pa.array(np.arange(n_users) * n_vectors)
        histories, seen = (
            rows[name].combine_chunks().take(first_rows)
            for name in ("item_ids", "seen_ids")
        )
        found = self._recommend(users.vectors, self._find_seen(seen))
        chosen = self._choose(found, users.users.astype(np.int64))
        vectors = self.recommender.bundle.vectors
        return RecommendationLists(
            users.user_ids,
            chosen,
            nearest_vector(users.vectors, vectors, chosen.indices),
            explain_items(
                chosen.indices,
                vectors,
                self._find_items(histories),
                self.options.n_similar,
            ).indices,
        )

    def _recommend_to_cold_start_users(
        self, users: ColdStartUsers
    ) -> RecommendationLists:
        """Return lists without explanations: these users have no history."""
        seen, query = self._find_seen(users.seen), users.query
        if query is None:
            found = self.recommender.recommend_popular(
                seen,
                self._n_candidates,
                allow=self.options.allow,
                exclude=self.options.exclude,
            )
        else:
            queries = np.repeat(query[np.newaxis], len(users.user_ids), axis=0)
            found = self._recommend(queries, seen)
        chosen = self._choose(found, users.numbers, by_popularity=query is None)
        shape = chosen.indices.shape
        nearest = np.full(shape, NO_ITEM, np.int64)
        # The average query is none of the V vectors of a user of several.
        is_average = query is not None and query.ndim < AXES_OF_SINGLE
        if query is not None and not (is_average and self.n_vectors > 1):
            nearest = nearest_vector(
                with_vector_axis(queries),
                self.recommender.bundle.vectors,
                chosen.indices,
            )
        similar = np.full((*shape, self.options.n_similar), NO_ITEM, np.int64)
        return RecommendationLists(users.user_ids, chosen, nearest, similar)

    def _recommend(self, queries: FloatArray, seen: Ragged) -> SearchResult:
        return self.recommender.recommend(
            queries,
            seen,
            self._n_candidates,
            allow=self.options.allow,
            exclude=self.options.exclude,
            quota=self.options.quota,
        )

    def _choose(
        self,
        found: SearchResult,
        users: npt.NDArray[np.int64],
        *,
        by_popularity: bool = False,
    ) -> SearchResult:
        return self.options.order.choose(
            found, users, self.options.k, by_popularity=by_popularity
        )

    def _find_seen(self, lists: pa.ListArray) -> Ragged:
        """Return lists of raw ids as distinct item rows, empty without the filter."""
        if not self.options.filter_seen:
            return Ragged.empty(len(lists))
        items = self._find_items(lists)
        return items.keep(items.values != NO_ITEM).distinct()

    def _find_items(self, lists: pa.ListArray) -> Ragged:
        """Return lists of raw ids as item rows, `NO_ITEM` for missing items."""
        lengths = pc.fill_null(pc.list_value_length(lists), 0)
        return Ragged(
            self.recommender.find_indices(pc.list_flatten(lists)),
            np.concatenate([[0], np.cumsum(lengths)], dtype=np.int64),
        )

    def _to_rows(self, lists: RecommendationLists) -> pa.RecordBatch:
        """Return one row per recommended item."""
        found = lists.found
        user, rank = np.nonzero(found.indices != NO_ITEM)
        items = pa.array(found.indices[user, rank])
        vector = lists.vector_index[user, rank]
        similar = lists.similar[user, rank]
        item_ids, titles = self.recommender.bundle.item_ids, self.recommender.titles
        return pa.RecordBatch.from_pydict(
            {
                "user_id": plain_ids(lists.user_ids).take(pa.array(user)),
                "rank": pa.array(rank + 1, pa.int32()),
                "item_id": item_ids.take(items),
                "title": titles.take(items),
                "score": pa.array(found.scores[user, rank]),
                "vector_index": pa.array(vector, pa.int32(), mask=vector == NO_ITEM),
                "similar_history_items": _as_lists(similar, item_ids),
                "similar_history_titles": _as_lists(similar, titles),
            }
        )


def _as_lists(indices: ItemIndices, values: pa.Array) -> pa.ListArray:
    """Return `[R, m]` item rows as R lists of the items' values, without `NO_ITEM`."""
    is_item = indices != NO_ITEM
    offsets = np.append(0, np.cumsum(is_item.sum(axis=1))).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, values.take(pa.array(indices[is_item])))
