"""Retrieval service: recommendations for one request in raw ids and values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias, overload

import numpy as np
import pyarrow as pa

from two_tower.index.base import NO_ITEM
from two_tower.index.bundle import SAME_SCORE, IndexBundle
from two_tower.ragged import Ragged
from two_tower.recommend.ids import require_count
from two_tower.recommend.recommender import ItemId, RecommendedItem, Recommender
from two_tower.serving.checks import (
    check_features,
    check_id,
    check_ids,
    check_ratings,
    check_second,
    check_times,
    require_choice,
    require_flag,
)
from two_tower.serving.query_tower import QueryTower, Requests
from two_tower.serving.requests import RequestEvents
from two_tower.serving.stored_histories import StoredHistories, StoredUser
from two_tower.types import FIRST_ID

ColdStart: TypeAlias = Literal["learned", "average", "popular"]
Source: TypeAlias = Literal["history", "stored_history", "profile"] | ColdStart

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
        history: raw item ids, oldest first; None: the user's stored history.
        user_id: raw id; None for a user without one.
        features: column → raw value, in place of the stored value.
        timestamps: whole seconds since 1970 (UTC) of each history item, None where
            unknown; None: all unknown.
        ratings: of each history item, None where unknown; None: all unknown.
        asked_at: second of the request; None: the time of the newest item.
    """

    history: Sequence[ItemId] | None = None
    user_id: ItemId | None = None
    features: Mapping[str, Any] | None = None
    timestamps: Sequence[int | None] | None = None
    ratings: Sequence[float | None] | None = None
    asked_at: int | None = None


@dataclass(frozen=True)
class Answer(Sequence[RecommendedItem]):
    """The recommended items of a request, best first, and what they are made from.

    Attributes:
        items: at most k.
        source: `history` (the request's), `stored_history`, `profile` (the user's id or
            features alone) or, for a cold-start request, the policy.
        cold_start: why the request is a cold start; None if it is none.
        n_skipped: history items out of vocabulary, which the towers did not read.
    """

    items: tuple[RecommendedItem, ...]
    source: Source
    cold_start: str | None
    n_skipped: int

    @overload
    def __getitem__(self, index: int) -> RecommendedItem: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RecommendedItem, ...]: ...
    def __getitem__(
        self, index: int | slice
    ) -> RecommendedItem | tuple[RecommendedItem, ...]:
        """Return the item or items of an index, from 0."""
        return self.items[index]

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)


class RetrievalService:
    """Encodes a request and searches the index of precomputed item vectors."""

    def __init__(
        self,
        tower: QueryTower,
        bundle: IndexBundle,
        stored: StoredHistories | None = None,
    ) -> None:
        """Check that query tower, index and stored histories belong together.

        Args:
            tower: encodes requests.
            bundle: the index.
            stored: answers requests that bring a user id alone, and masks what a user
                has seen; None: requests bring their histories.

        Raises:
            ValueError: if tower and index come from different models, or the stored
                histories have ids of another type.
        """
        require_pair(tower, bundle)
        if stored is not None:
            stored.require_types(
                tower.vocabularies.user_lookup.ids.type, bundle.item_ids.type
            )
        # One request is a batch of its own: more rows would be padding.
        self.tower = replace(tower, tokens_per_batch=tower.bucket_boundaries[-1])
        self.recommender = Recommender(bundle, tower.vocabularies.items)
        self.stored = stored

    def recommend(
        self,
        request: Request,
        k: int,
        *,
        cold_start: ColdStart = "learned",
        quota: int | None = None,
        strict: bool = False,
    ) -> Answer:
        """Return at most `k` items that the user has not seen.

        Seen items are those of the request's history and, if there are stored
        histories, of all stored interactions of the user.

        Args:
            request: of one user.
            k: items to return, at least 1; cut to the items of the index.
            cold_start: policy for cold-start requests: the `learned` query of the
                towers, the `average` query, or the most `popular` items.
            quota: items taken from each vector's own list before the best of the rest
                fill the list; None: no quota.
            strict: raise an error for items, users and values out of vocabulary.

        Raises:
            ValueError: if an argument or a value of the request is of another type or
                out of range; if a user of the model brings no history, none is stored
                and the towers read nothing else; see also `QueryTower.read` and
                `QueryTower.cold_start_query`.
        """
        k = require_count(k, "k")
        quota = None if quota is None else require_count(quota, "quota")
        require_choice(cold_start, "cold_start", ColdStart)
        require_flag(strict, "strict")
        stored = self._find_stored(request)
        filled = self._with_history(request, stored)
        inputs = self._read(filled, strict=strict)
        history, n_read = filled.history or (), len(inputs.histories.values)
        is_cold = bool(self.tower.find_cold_start_users(inputs).any())
        if is_cold:
            self._require_answerable(request)
        return Answer(
            tuple(
                self._search(
                    inputs,
                    [*history, *(stored.seen_ids if stored else ())],
                    k,
                    cold_start=cold_start if is_cold else None,
                    quota=quota,
                )
            ),
            source=cold_start if is_cold else self._source(request, n_read),
            cold_start=self._why_cold(request, len(history)) if is_cold else None,
            n_skipped=len(history) - n_read,
        )

    def _search(
        self,
        inputs: Requests,
        seen: list[ItemId],
        k: int,
        *,
        cold_start: ColdStart | None,
        quota: int | None,
    ) -> list[RecommendedItem]:
        if cold_start == "popular":
            items = Ragged.from_lists([self.recommender.find_indices(seen)], np.int64)
            found = self.recommender.recommend_popular(items, k)
            return self.recommender.name_items(found)
        if cold_start is None:
            (query,) = self.tower.encode_indices(*inputs)
        else:
            query = self.tower.cold_start_query(cold_start)
        return self.recommender.recommend_to(query, seen, k, quota=quota)

    def _find_stored(self, request: Any) -> StoredUser | None:
        """Return what is stored of the request's user, after checking the id."""
        if not isinstance(request, Request):
            raise ValueError(
                f"the request is of type {type(request).__name__}; give a Request"
            )
        if request.user_id is None:
            return None
        check_id(request.user_id, "user_id", self.tower.vocabularies.user_lookup)
        return None if self.stored is None else self.stored.find(request.user_id)

    def _with_history(self, request: Request, stored: StoredUser | None) -> Request:
        """Return the checked request, with the stored history if it brings none."""
        if request.history is None:
            for name in ("timestamps", "ratings"):
                if getattr(request, name) is not None:
                    raise ValueError(f"{name} are given without a history; give both")
            if stored is None:
                return request
            return replace(
                request,
                history=stored.item_ids,
                timestamps=stored.timestamps,
                ratings=stored.ratings,
            )
        lookup = self.tower.vocabularies.item_lookup
        history = check_ids(request.history, "history", lookup)
        n_items = len(history)
        times, ratings = request.timestamps, request.ratings
        return replace(
            request,
            history=history,
            timestamps=check_times(times, "timestamps", n_items),
            ratings=check_ratings(ratings, "ratings", n_items),
        )

    def _read(self, request: Request, *, strict: bool) -> Requests:
        if request.asked_at is not None:
            check_second(request.asked_at, "asked_at")
        item_type = self.tower.vocabularies.item_lookup.ids.type
        history = pa.array([list(request.history or ())], pa.list_(item_type))
        users = None if request.user_id is None else [request.user_id]
        features = check_features(request.features, "features")
        return self.tower.read(
            history, users, features, events=_events(request), strict=strict
        )

    def _require_answerable(self, request: Request) -> None:
        """Refuse a user of the model without a given or stored history."""
        user_id = request.user_id
        if request.history is None and self.stored is None and self._has_user(user_id):
            raise ValueError(
                f"user {user_id!r} is a user of the model, but the request has no "
                "history and the service no stored histories; open it with "
                "StoredHistories, or give the history, [] for a cold start"
            )

    def _has_user(self, user_id: ItemId | None) -> bool:
        (row,) = self.tower.vocabularies.user_lookup.find([user_id])
        return bool(row != NO_ITEM)

    def _source(self, request: Request, n_read: int) -> Source:
        """Return what the query of a warm request is made from."""
        if self.tower.towers.history_encoder is None or not n_read:
            return "profile"
        return "stored_history" if request.history is None else "history"

    def _why_cold(self, request: Request, n_items: int) -> str:
        """Return why the towers can read nothing of a request.

        Args:
            request: as given.
            n_items: history items, given or stored.
        """
        towers, reasons = self.tower.towers, []
        if towers.history_encoder is not None:
            reasons.append(self._why_no_history(request, n_items))
        if towers.profile is not None or self.tower.hashes_users:
            reasons.append("the model knows neither the user nor a feature value")
        return "; ".join(reasons)

    def _why_no_history(self, request: Request, n_items: int) -> str:
        if n_items:
            return f"none of the {n_items} history items is in the vocabulary"
        if request.history is not None:
            return "the history is empty"
        if request.user_id is None:
            return "the request has neither a history nor a user"
        if self.stored is not None:
            return f"no history of user {request.user_id!r} is stored"
        return f"user {request.user_id!r} is not a user of the model"


def _events(request: Request) -> RequestEvents:
    return RequestEvents(
        _as_lists(request.timestamps, pa.int64()),
        _as_lists(request.ratings, pa.float32()),
        None if request.asked_at is None else pa.array([request.asked_at], pa.int64()),
    )


def _as_lists(values: Sequence[Any] | None, kind: pa.DataType) -> pa.ListArray | None:
    return None if values is None else pa.array([list(values)], pa.list_(kind))
