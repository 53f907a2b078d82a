"""Retrieval service: recommendations for one request in raw ids and values."""

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

COMPARED_ITEMS: Final = 16
"""Item vectors to recompute: those of another model differ in every item."""

_REBUILD: Final = (
    "run: kedro run --pipelines export,indexing, or, where items were added since the "
    "training, kedro run --pipelines add_items"
)


def require_pair(tower: QueryTower, bundle: IndexBundle) -> None:
    """Raise an error if the index has other items, or vectors of another model.

    Raises:
        ValueError: saying what differs.
    """
    ids = tower.vocabularies.item_lookup.ids
    if not ids.equals(bundle.item_ids):
        raise ValueError(
            f"the {bundle.n_items} items of the index are not the {len(ids)} items of "
            f"the query tower; {_REBUILD}"
        )
    n_compared = min(COMPARED_ITEMS, bundle.n_items)
    items = np.linspace(0, bundle.n_items - 1, n_compared).astype(np.int32)
    vectors = tower.encode_items(items + FIRST_ID)
    found = np.asarray(bundle.vectors[items])
    if vectors.shape != found.shape or np.abs(vectors - found).max() > SAME_SCORE:
        raise ValueError(
            "the item vectors of the index are not those of the query tower, so the "
            f"two come from different models; {_REBUILD}"
        )


@dataclass(frozen=True)
class Request:
    """A user's request for recommendations.

    Attributes:
        history: raw item ids, oldest first.
        user_id: raw id; None for a user without one.
        features: column → raw value, in place of the stored value.
        timestamps: whole seconds since 1970 (UTC) of each history item, None where
            unknown; None: all unknown.
        ratings: of each history item, None where unknown; None: all unknown.
        asked_at: second of the request; None: the time of the newest item.
    """

    history: Sequence[ItemId] = ()
    user_id: ItemId | None = None
    features: Mapping[str, Any] | None = None
    timestamps: Sequence[int | None] | None = None
    ratings: Sequence[float | None] | None = None
    asked_at: int | None = None


class RetrievalService:
    """Encodes a request and searches the index of precomputed item vectors."""

    def __init__(self, tower: QueryTower, bundle: IndexBundle) -> None:
        """Check that query tower and index belong together.

        Raises:
            ValueError: if they come from different models.
        """
        require_pair(tower, bundle)
        # One request is a batch of its own: more rows would be padding.
        self.tower = replace(tower, tokens_per_batch=tower.bucket_boundaries[-1])
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
            cold_start: policy for cold-start requests: the `learned` query of the
                towers, the `average` query, or the most `popular` items.
            quota: items taken from each vector's own list before the best of the rest
                fill the list; None: no quota.
            strict: raise an error for items, users and values out of vocabulary.

        Raises:
            ValueError: see `QueryTower.read` and `QueryTower.cold_start_query`.
        """
        inputs = self._read(request, strict=strict)
        if not self.tower.find_cold_start_users(inputs).any():
            (query,) = self.tower.encode_indices(*inputs)
        elif cold_start == "popular":
            seen = self.recommender.find_indices(list(request.history))
            found = self.recommender.recommend_popular(
                Ragged.from_lists([seen], np.int64), k
            )
            return self.recommender.name_items(found)
        else:
            query = self.tower.cold_start_query(cold_start)
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
