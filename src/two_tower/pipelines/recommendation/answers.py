"""Recommendations for a stream of users, one batch of them at a time."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.pipelines.recommendation.params import Drawn
from two_tower.ragged import Ragged
from two_tower.retrieval.draws import draw_by_score, draw_by_share
from two_tower.retrieval.embeddings import plain_ids, vectors_of
from two_tower.retrieval.index import NOTHING, Found, Positions
from two_tower.retrieval.recommender import Recommender
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
    """

    k: int
    allow: Positions | None
    exclude: Positions | None
    drawn: Drawn | None

    @property
    def n_found(self) -> int:
        """Items that are searched for."""
        return self.k if self.drawn is None else self.drawn.among

    def pick(
        self, found: Found, users: npt.NDArray[np.int64], *, by_share: bool
    ) -> Found:
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
class Strangers:
    """Users of whom nothing is known.

    Attributes:
        user_ids: `[U]` int64 or string.
        query: `[D]` float32; None for the most popular items.
    """

    user_ids: pa.Array
    query: FloatArray | None

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """`[U]` int64, of each id alone: draws don't depend on who is asked for."""
        ids = self.user_ids.to_pylist()
        return np.array([crc32(str(one).encode()) for one in ids], np.int64)


@dataclass(frozen=True, eq=False)
class Answers:
    """Batches of recommendations, made as they are asked for.

    It is no iterator itself: of a node that returns one, Kedro saves every batch on
    its own, each in place of the one before.

    Attributes:
        recommender: answers.
        users: `user` (int32, unique), `user_id`, `vector` (array<float32>) and
            `item_ids` (array, the items to hide; null for none).
        strangers: answered last.
        choices: which items, and how many.
        users_per_batch: how many are answered at a time.
    """

    recommender: Recommender
    users: ir.Table
    strangers: Strangers
    choices: Choices
    users_per_batch: int

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield `user_id`, `rank`, `item_id`, `title`, `score`, in order of `user`."""
        n_users = n_short = 0
        for user_ids, found in self._answers():
            n_users += len(user_ids)
            n_short += int((found.positions[:, -1] == NOTHING).sum())
            yield self._in_rows(user_ids, found)
        logger.info("recommended %d items to each of %d users", self.choices.k, n_users)
        if n_short:
            logger.info("%d of them get fewer: no other may be shown to them", n_short)

    def _answers(self) -> Iterator[tuple[pa.Array, Found]]:
        ordered = self.users.order_by("user")
        for batch in ordered.to_pyarrow_batches(chunk_size=self.users_per_batch):
            numbers = batch.column("user").to_numpy().astype(np.int64)
            found = self._answer(batch)
            picked = self.choices.pick(found, numbers, by_share=False)
            yield batch.column("user_id"), picked
        if len(self.strangers.user_ids):
            found = self._answer_strangers()
            picked = self.choices.pick(
                found,
                self.strangers.numbers,
                by_share=self.strangers.query is None,
            )
            yield self.strangers.user_ids, picked

    def _answer(self, batch: pa.RecordBatch) -> Found:
        return self.recommender.recommend(
            vectors_of(batch.column("vector")),
            self._positions_of_lists(batch.column("item_ids")),
            self.choices.n_found,
            allow=self.choices.allow,
            exclude=self.choices.exclude,
        )

    def _answer_strangers(self) -> Found:
        n_users = len(self.strangers.user_ids)
        nothing = Ragged.from_lists([[]] * n_users, np.int64)
        k, query = self.choices.n_found, self.strangers.query
        allow, exclude = self.choices.allow, self.choices.exclude
        if query is None:
            return self.recommender.recommend_popular(
                nothing, k, allow=allow, exclude=exclude
            )
        queries = np.tile(query, (n_users, 1))
        return self.recommender.recommend(
            queries, nothing, k, allow=allow, exclude=exclude
        )

    def _positions_of_lists(self, lists: pa.Array) -> Ragged:
        """Return each list's positions, `NOTHING` for items that the index lacks."""
        lengths = pc.fill_null(pc.list_value_length(lists), 0)
        return Ragged(
            self.recommender.find_positions(pc.list_flatten(lists)),
            np.concatenate([[0], np.cumsum(lengths)], dtype=np.int64),
        )

    def _in_rows(self, user_ids: pa.Array, found: Found) -> pa.RecordBatch:
        """Return one row per place in a list, empty places left out."""
        row, place = np.nonzero(found.positions != NOTHING)
        positions = pa.array(found.positions[row, place])
        return pa.RecordBatch.from_pydict(
            {
                "user_id": plain_ids(user_ids).take(pa.array(row)),
                "rank": pa.array(place + 1, pa.int32()),
                "item_id": self.recommender.bundle.item_ids.take(positions),
                "title": self.recommender.titles.take(positions),
                "score": pa.array(found.scores[row, place]),
            }
        )
