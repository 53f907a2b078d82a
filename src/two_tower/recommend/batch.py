"""Recommendations for a stream of users, one batch of them at a time."""

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
from two_tower.recommend.random_order import Drawn, draw_by_score, draw_by_share
from two_tower.recommend.recommender import Recommender
from two_tower.types import FloatArray

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Choices:
    """What may be shown to anybody, how much of it, and how it is picked.

    Attributes:
        k: items per user.
        allow: `[M]` int64, the only positions to show; None for all.
        exclude: `[M]` int64, positions to show to nobody.
        drawn: how items are drawn at random; None for the best.
        quota: items that are taken from each vector's list first; None for no limit.
        filter_seen: whether to leave out what a user's history holds.
        n_because: items of the history that stand beside each recommendation.
    """

    k: int
    allow: ItemIndices | None
    exclude: ItemIndices | None
    drawn: Drawn | None
    quota: int | None
    filter_seen: bool
    n_because: int

    @property
    def n_found(self) -> int:
        """Items that are searched for."""
        return self.k if self.drawn is None else self.drawn.among

    def pick(
        self, found: SearchResult, users: npt.NDArray[np.int64], *, by_share: bool
    ) -> SearchResult:
        """Return `k` of `[B, n_found]` items for the users of these `[B]` numbers.

        Args:
            found: the best items that may be shown.
            users: a number for each user.
            by_share: whether scores are shares of popular items, not cosines.
        """
        if self.drawn is None:
            return found
        if by_share:
            return draw_by_share(found, users, self.k, seed=self.drawn.seed)
        return draw_by_score(
            found,
            users,
            self.k,
            temperature=self.drawn.temperature,
            seed=self.drawn.seed,
        )


@dataclass(frozen=True, eq=False)
class ColdStartUsers:
    """Users of whom nothing is known.

    Attributes:
        user_ids: `[U]` int64 or string.
        query: `[D]` or `[V, D]` float32; None for the most popular items.
    """

    user_ids: pa.Array
    query: FloatArray | None

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """`[U]` int64, of each id alone: draws don't depend on who is asked for."""
        ids = self.user_ids.to_pylist()
        return np.array([crc32(str(one).encode()) for one in ids], np.int64)


@dataclass(frozen=True, eq=False)
class Lists:
    """The items of some users, and why.

    Attributes:
        user_ids: `[B]` int64 or string.
        found: `[B, k]`.
        vector_index: `[B, k]`, which of the user's vectors is nearest to each item;
            `NO_ITEM` without one.
        because: `[B, V, n_because]` positions, the nearest items of the user's history
            that belong to each vector; `NO_ITEM` where there is none.
    """

    user_ids: pa.Array
    found: SearchResult
    vector_index: npt.NDArray[np.int64]
    because: ItemIndices


@dataclass(frozen=True, eq=False)
class Answers:
    """Batches of recommendations, made as they are asked for.

    It is no iterator itself: of a node that returns one, Kedro saves every batch on
    its own, each in place of the one before.

    Attributes:
        recommender: answers.
        users: one row per vector: `user` (int32), `user_id`, `vector_index` (int32,
            from 0), `vector` (array<float32>) and, where the index is 0, `item_ids`
            (array, the user's history; null for none).
        n_vectors: of each user.
        cold_start_users: answered last.
        choices: which items, and how many.
        users_per_batch: how many users of one vector are answered at a time.
    """

    recommender: Recommender
    users: ir.Table
    n_vectors: int
    cold_start_users: ColdStartUsers
    choices: Choices
    users_per_batch: int

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows that `recommend_items` promises, in order of `user`."""
        n_users = n_short = 0
        for lists in self._answers():
            n_users += len(lists.user_ids)
            n_short += int((lists.found.indices[:, -1] == NO_ITEM).sum())
            yield self._in_rows(lists)
        logger.info("recommended %d items to each of %d users", self.choices.k, n_users)
        if n_short:
            logger.info("%d of them get fewer: no other may be shown to them", n_short)

    def _answers(self) -> Iterator[Lists]:
        # A user's vectors stay together: each piece holds whole users, and about as
        # many vectors as users_per_batch says, for these are what is searched with.
        size = max(1, self.users_per_batch // self.n_vectors) * self.n_vectors
        ordered = self.users.order_by("user", "vector_index")
        batches = ordered.to_pyarrow_batches(chunk_size=size)
        for piece in cut_tables(batches, ordered.schema().to_pyarrow(), repeat(size)):
            if piece.num_rows:
                yield self._answer(piece)
        if len(self.cold_start_users.user_ids):
            yield self._answer_cold_start_users()

    def _answer(self, rows: pa.Table) -> Lists:
        users = group_by_user(rows, self.n_vectors)
        n_users, n_vectors, _ = users.vectors.shape
        first_rows = pa.array(np.arange(n_users) * n_vectors)
        histories = self._positions_of_lists(
            rows["item_ids"].combine_chunks().take(first_rows)
        )
        found = self._recommend(
            users.vectors, histories if self.choices.filter_seen else _nothing(n_users)
        )
        picked = self.choices.pick(found, users.users.astype(np.int64), by_share=False)
        return self._explain(users.user_ids, users.vectors, picked, histories)

    def _answer_cold_start_users(self) -> Lists:
        user_ids, query = self.cold_start_users.user_ids, self.cold_start_users.query
        n_users, numbers = len(user_ids), self.cold_start_users.numbers
        if query is None:
            found = self.recommender.recommend_popular(
                _nothing(n_users),
                self.choices.n_found,
                allow=self.choices.allow,
                exclude=self.choices.exclude,
            )
            return _unexplained(
                user_ids, self.choices.pick(found, numbers, by_share=True)
            )
        # All ask the same, and have seen nothing: one search answers them.
        one = self._recommend(query[np.newaxis], _nothing(1))
        found = SearchResult(
            np.repeat(one.indices, n_users, axis=0),
            np.repeat(one.scores, n_users, axis=0),
        )
        picked = self.choices.pick(found, numbers, by_share=False)
        if query.ndim < AXES_OF_SINGLE and self.n_vectors > 1:
            # One direction for all of them is no vector of theirs.
            return _unexplained(user_ids, picked)
        queries = np.repeat(with_vector_axis(query[np.newaxis]), n_users, axis=0)
        return self._explain(user_ids, queries, picked, _nothing(n_users))

    def _recommend(self, queries: FloatArray, hidden: Ragged) -> SearchResult:
        return self.recommender.recommend(
            queries,
            hidden,
            self.choices.n_found,
            allow=self.choices.allow,
            exclude=self.choices.exclude,
            quota=self.choices.quota,
        )

    def _explain(
        self,
        user_ids: pa.Array,
        queries: FloatArray,
        found: SearchResult,
        histories: Ragged,
    ) -> Lists:
        """Return the lists with the vector that found each item, and what it is near.

        Args:
            user_ids: `[B]`.
            queries: `[B, V, D]` float32.
            found: `[B, k]`.
            histories: B rows of positions.
        """
        vectors, n_because = self.recommender.bundle.vectors, self.choices.n_because
        because = np.empty((*queries.shape[:2], 0), np.int64)
        if n_because:
            near = similar_history_items(queries, vectors, histories, n_because)
            because = near.indices
        nearest = nearest_vector(queries, vectors, found.indices)
        return Lists(user_ids, found, nearest, because)

    def _positions_of_lists(self, lists: pa.Array) -> Ragged:
        """Return each list's positions, `NO_ITEM` for items that the index lacks."""
        lengths = pc.fill_null(pc.list_value_length(lists), 0)
        return Ragged(
            self.recommender.find_indices(pc.list_flatten(lists)),
            np.concatenate([[0], np.cumsum(lengths)], dtype=np.int64),
        )

    def _in_rows(self, lists: Lists) -> pa.RecordBatch:
        """Return one row per place in a list, empty places left out."""
        found = lists.found
        row, place = np.nonzero(found.indices != NO_ITEM)
        positions = pa.array(found.indices[row, place])
        vector = lists.vector_index[row, place]
        # Without a vector (-1) this reads the last one's, of which nothing is kept.
        because = lists.because[row, vector]
        item_ids = self.recommender.bundle.item_ids
        return pa.RecordBatch.from_pydict(
            {
                "user_id": plain_ids(lists.user_ids).take(pa.array(row)),
                "rank": pa.array(place + 1, pa.int32()),
                "item_id": item_ids.take(positions),
                "title": self.recommender.titles.take(positions),
                "score": pa.array(found.scores[row, place]),
                "vector_index": pa.array(vector, pa.int32(), mask=vector == NO_ITEM),
                "because": _as_lists(because, item_ids),
            }
        )


def _unexplained(user_ids: pa.Array, found: SearchResult) -> Lists:
    """Return lists that no vector of a user stands for."""
    no_vector = np.full(found.indices.shape, NO_ITEM, np.int64)
    return Lists(user_ids, found, no_vector, np.empty((len(user_ids), 1, 0), np.int64))


def _nothing(n_users: int) -> Ragged:
    """Return as many empty histories."""
    return Ragged(np.empty(0, np.int64), np.zeros(n_users + 1, np.int64))


def _as_lists(positions: ItemIndices, item_ids: pa.Array) -> pa.Array:
    """Return `[R, m]` positions as R lists of ids, empty places left out."""
    is_real = positions != NO_ITEM
    offsets = np.append(0, np.cumsum(is_real.sum(axis=1))).astype(np.int32)
    ids = item_ids.take(pa.array(positions[is_real]))
    return pa.ListArray.from_arrays(offsets, ids)
