"""Recommendations for a stream of users, one batch of them at a time."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.ragged import Ragged
from two_tower.retrieval.embeddings import plain_ids, vectors_of
from two_tower.retrieval.index import NOTHING, Found, Positions
from two_tower.retrieval.recommender import Recommender

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Answers:
    """Batches of recommendations, made as they are asked for.

    It is no iterator itself: of a node that returns one, Kedro saves every batch on
    its own, each in place of the one before.

    Attributes:
        recommender: answers.
        users: `user` (int32, unique), `user_id`, `vector` (array<float32>) and
            `item_ids` (array, the items to hide; null for none).
        k: items per user.
        allow: `[M]` int64, the only positions to show; None for all.
        exclude: `[M]` int64, positions to show to nobody.
        users_per_batch: how many are answered at a time.
    """

    recommender: Recommender
    users: ir.Table
    k: int
    allow: Positions | None
    exclude: Positions | None
    users_per_batch: int

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield `user_id`, `rank`, `item_id`, `title`, `score`, in order of `user`."""
        n_users = n_short = 0
        ordered = self.users.order_by("user")
        for batch in ordered.to_pyarrow_batches(chunk_size=self.users_per_batch):
            found = self._answer(batch)
            n_users += len(batch)
            n_short += int((found.positions[:, -1] == NOTHING).sum())
            yield self._in_rows(batch.column("user_id"), found)
        logger.info("recommended %d items to each of %d users", self.k, n_users)
        if n_short:
            logger.info("%d of them get fewer: no other may be shown to them", n_short)

    def _answer(self, batch: pa.RecordBatch) -> Found:
        return self.recommender.recommend(
            vectors_of(batch.column("vector")),
            self._positions_of_lists(batch.column("item_ids")),
            self.k,
            allow=self.allow,
            exclude=self.exclude,
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
