"""Recommendations for one user at a time, from a request in raw ids and values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from two_tower.index.bundle import SAME_SCORE, IndexBundle
from two_tower.ragged import Ragged
from two_tower.recommend.recommender import ItemId, RecommendedItem, Recommender
from two_tower.serving.query_tower import QueryTower, Requests
from two_tower.serving.requests import RequestEvents
from two_tower.types import FIRST_ID

ColdStart: TypeAlias = Literal["learned", "average", "popular"]

ASKED_ITEMS: Final = 16
"""Items whose vectors are made again: another model differs in every one of them."""

_AGAIN: Final = (
    "run: kedro run --pipelines export,indexing, or, where items were added since the "
    "training, kedro run --pipelines add_items"
)


def require_pair(tower: QueryTower, bundle: IndexBundle) -> None:
    """Refuse an index that holds other items, or another model's vectors.

    Raises:
        ValueError: saying what differs.
    """
    ids = tower.vocabularies.item_lookup.ids
    if not ids.equals(bundle.item_ids):
        raise ValueError(
            f"the index has {bundle.n_items} items and the query tower {len(ids)}, or "
            f"they are others; {_AGAIN}"
        )
    asked = np.linspace(0, bundle.n_items - 1, min(ASKED_ITEMS, bundle.n_items))
    positions = asked.astype(np.int32)
    vectors = tower.encode_items(positions + FIRST_ID)
    found = np.asarray(bundle.vectors[positions])
    if vectors.shape != found.shape or np.abs(vectors - found).max() > SAME_SCORE:
        raise ValueError(
            "the index holds other item vectors than the query tower makes; both must "
            f"come of one model; {_AGAIN}"
        )


@dataclass(frozen=True)
class Request:
    """What is known of a user when they ask.

    Attributes:
        history: raw item ids, oldest first.
        user_id: None for a user without one.
        features: column → raw value, in place of what is stored of the user.
        timestamps: second since 1970 (UTC) of each item of the history, None where it
            is unknown; None for all.
        ratings: of each item of the history, None where there is none; None for all.
        asked_at: second of the request; None for the time of the newest item.
    """

    history: Sequence[ItemId] = ()
    user_id: ItemId | None = None
    features: Mapping[str, Any] | None = None
    timestamps: Sequence[int | None] | None = None
    ratings: Sequence[float | None] | None = None
    asked_at: int | None = None


class RetrievalService:
    """Encodes a request and searches the index; item vectors are made beforehand."""

    def __init__(self, tower: QueryTower, bundle: IndexBundle) -> None:
        """Make ready to answer.

        Raises:
            ValueError: if the tower and the index are not of one model.
        """
        require_pair(tower, bundle)
        # A batch of one user: the rows of a larger one would be computed in vain.
        self.tower = replace(tower, tokens_per_batch=tower.edges[-1])
        self.recommender = Recommender(bundle, tower.vocabularies.items)

    def recommend(
        self,
        request: Request,
        k: int,
        *,
        cold_start: ColdStart = "learned",
        quota: int | None = None,
        strict: bool = False,
    ) -> list[RecommendedItem]:
        """Return at most `k` items that are not in the request's history.

        Args:
            request: of one user.
            k: items to return, at least 1.
            cold_start: what a user gets of whom the towers read nothing: the query
                that they have `learned` for nobody, the `average` query, or the most
                `popular` items.
            quota: items that are taken from each vector's own list before the best of
                the others fill the list; None for no limit.
            strict: refuse unknown items, users and values.

        Raises:
            ValueError: as of `QueryTower.read` and `QueryTower.cold_query`.
        """
        asked = self._read(request, strict=strict)
        if not self.tower.find_cold_start_users(asked).any():
            (query,) = self.tower.encode_indices(*asked)
            return self.recommender.recommend_to(query, request.history, k, quota=quota)
        if cold_start == "popular":
            seen = self.recommender.find_indices(list(request.history))
            hidden = Ragged.from_lists([seen], np.int64)
            return self.recommender.named(self.recommender.recommend_popular(hidden, k))
        query = self.tower.cold_query(cold_start)
        return self.recommender.recommend_to(query, request.history, k, quota=quota)

    def _read(self, request: Request, *, strict: bool) -> Requests:
        history = pa.array([list(request.history)])
        users = None if request.user_id is None else [request.user_id]
        features = request.features and pa.table(
            {column: [value] for column, value in request.features.items()}
        )
        return self.tower.read(
            history, users, features or None, events=_events(request), strict=strict
        )


def _events(request: Request) -> RequestEvents:
    return RequestEvents(
        None if request.timestamps is None else pa.array([list(request.timestamps)]),
        None if request.ratings is None else pa.array([list(request.ratings)]),
        None if request.asked_at is None else pa.array([request.asked_at]),
    )
