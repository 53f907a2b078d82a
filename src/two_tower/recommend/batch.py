"""Batch recommender: lists for a stream of users, one batch of them at a time."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from zlib import crc32

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.chunking import cut_tables
from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult
from two_tower.index.rescoring import nearest_vector
from two_tower.index.vectors import group_by_user, plain_ids
from two_tower.query_vectors import AXES_OF_SINGLE, with_vector_axis
from two_tower.ragged import Ragged
from two_tower.recommend.explanations import similar_history_items
from two_tower.recommend.random_order import Order
from two_tower.recommend.recommender import Recommender
from two_tower.types import FloatArray

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RecommendationOptions:
    """Options of all lists: length, masks, order and explanations.

    Attributes:
        k: items per user.
        allow: `[M]` int64, the only items to recommend; None: all items.
        exclude: `[M]` int64, items never to recommend; None: no item.
        order: chooses the items from the best ones.
        quota: items taken from each vector's own list first; None: no quota.
        filter_seen: whether to mask the items of a user's history.
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
        query: `[D]` or `[V, D]` float32; None: recommend the most popular items.
    """

    user_ids: pa.Array
    query: FloatArray | None

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
        similar: `[B, V, n_similar]`, the history items assigned to each vector,
            nearest first, padded with `NO_ITEM`.
    """

    user_ids: pa.Array
    found: SearchResult
    vector_index: npt.NDArray[np.int64]
    similar: ItemIndices


@dataclass(frozen=True, eq=False)
class BatchRecommender:
    """Iterable of batches of recommendations, computed when they are consumed.

    It is not an iterator: Kedro would save each batch of an iterator by itself, over
    the one before.

    Attributes:
        recommender: searches the index.
        users: one row per vector: `user` (int32), `user_id`, `vector_index` (int32,
            from 0), `vector` (array<float32>) and, where the index is 0, `item_ids`
            (array, the user's history; null: no history).
        n_vectors: V, vectors per user.
        cold_start_users: come last.
        options: of all lists.
        users_per_batch: users of one vector per batch.
    """

    recommender: Recommender
    users: ir.Table
    n_vectors: int
    cold_start_users: ColdStartUsers
    options: RecommendationOptions
    users_per_batch: int

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the table `recommendations`, in order of `user`."""
        n_users = n_short = 0
        for lists in self._recommend_to_all():
            n_users += len(lists.user_ids)
            n_short += int((lists.found.indices[:, -1] == NO_ITEM).sum())
            yield self._to_rows(lists)
        logger.info("recommended %d items to each of %d users", self.options.k, n_users)
        if n_short:
            logger.info("%d users have fewer: no other item is allowed", n_short)

    def _recommend_to_all(self) -> Iterator[RecommendationLists]:
        # A chunk holds whole users, and about users_per_batch vectors: each vector is
        # a search.
        size = max(1, self.users_per_batch // self.n_vectors) * self.n_vectors
        ordered = self.users.order_by("user", "vector_index")
        batches = ordered.to_pyarrow_batches(chunk_size=size)
        for chunk in cut_tables(batches, ordered.schema().to_pyarrow(), repeat(size)):
            if chunk.num_rows:
                yield self._recommend_to_users(chunk)
        if len(self.cold_start_users.user_ids):
            yield self._recommend_to_cold_start_users()

    def _recommend_to_users(self, rows: pa.Table) -> RecommendationLists:
        users = group_by_user(rows, self.n_vectors)
        n_users, n_vectors, _ = users.vectors.shape
        first_rows = pa.array(np.arange(n_users) * n_vectors)
        histories = self._find_histories(
            rows["item_ids"].combine_chunks().take(first_rows)
        )
        seen = histories if self.options.filter_seen else _no_items(n_users)
        found = self._recommend(users.vectors, seen)
        chosen = self._choose(found, users.users.astype(np.int64))
        return self._explain(users.user_ids, users.vectors, chosen, histories)

    def _recommend_to_cold_start_users(self) -> RecommendationLists:
        user_ids, query = self.cold_start_users.user_ids, self.cold_start_users.query
        n_users, numbers = len(user_ids), self.cold_start_users.numbers
        if query is None:
            found = self.recommender.recommend_popular(
                _no_items(n_users),
                self.options.order.n_candidates(self.options.k),
                allow=self.options.allow,
                exclude=self.options.exclude,
            )
            return _unexplained(
                user_ids, self._choose(found, numbers, by_popularity=True)
            )
        # One search serves all: they share the query, and have seen nothing.
        one = self._recommend(query[np.newaxis], _no_items(1))
        found = SearchResult(
            np.repeat(one.indices, n_users, axis=0),
            np.repeat(one.scores, n_users, axis=0),
        )
        chosen = self._choose(found, numbers)
        if query.ndim < AXES_OF_SINGLE and self.n_vectors > 1:
            # The average query is none of the V vectors of such a user.
            return _unexplained(user_ids, chosen)
        queries = np.repeat(with_vector_axis(query[np.newaxis]), n_users, axis=0)
        return self._explain(user_ids, queries, chosen, _no_items(n_users))

    def _recommend(self, queries: FloatArray, seen: Ragged) -> SearchResult:
        return self.recommender.recommend(
            queries,
            seen,
            self.options.order.n_candidates(self.options.k),
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

    def _explain(
        self,
        user_ids: pa.Array,
        queries: FloatArray,
        found: SearchResult,
        histories: Ragged,
    ) -> RecommendationLists:
        """Return the lists with the nearest vector and the similar history items.

        Args:
            user_ids: `[B]`.
            queries: `[B, V, D]` float32.
            found: `[B, k]`.
            histories: B lists of item rows.
        """
        vectors, n_similar = self.recommender.bundle.vectors, self.options.n_similar
        similar = np.empty((*queries.shape[:2], 0), np.int64)
        if n_similar:
            near = similar_history_items(queries, vectors, histories, n_similar)
            similar = near.indices
        nearest = nearest_vector(queries, vectors, found.indices)
        return RecommendationLists(user_ids, found, nearest, similar)

    def _find_histories(self, lists: pa.Array) -> Ragged:
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
        # Without a vector (-1) this reads the last row, which holds no item then.
        similar = lists.similar[user, vector]
        item_ids = self.recommender.bundle.item_ids
        return pa.RecordBatch.from_pydict(
            {
                "user_id": plain_ids(lists.user_ids).take(pa.array(user)),
                "rank": pa.array(rank + 1, pa.int32()),
                "item_id": item_ids.take(items),
                "title": self.recommender.titles.take(items),
                "score": pa.array(found.scores[user, rank]),
                "vector_index": pa.array(vector, pa.int32(), mask=vector == NO_ITEM),
                "similar_history_items": _as_id_lists(similar, item_ids),
            }
        )


def _unexplained(user_ids: pa.Array, found: SearchResult) -> RecommendationLists:
    """Return lists without a nearest vector and without similar history items."""
    no_vector = np.full(found.indices.shape, NO_ITEM, np.int64)
    nothing = np.empty((len(user_ids), 1, 0), np.int64)
    return RecommendationLists(user_ids, found, no_vector, nothing)


def _no_items(n_users: int) -> Ragged:
    """Return an empty row per user."""
    return Ragged(np.empty(0, np.int64), np.zeros(n_users + 1, np.int64))


def _as_id_lists(indices: ItemIndices, item_ids: pa.Array) -> pa.Array:
    """Return `[R, m]` item rows as R lists of raw ids, without `NO_ITEM`."""
    is_item = indices != NO_ITEM
    offsets = np.append(0, np.cumsum(is_item.sum(axis=1))).astype(np.int32)
    ids = item_ids.take(pa.array(indices[is_item]))
    return pa.ListArray.from_arrays(offsets, ids)
