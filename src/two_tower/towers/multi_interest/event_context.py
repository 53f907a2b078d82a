"""Embeddings of the events of a history and of its request."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from two_tower.towers.hashed_embedding import Hash, HashedEmbedding
from two_tower.towers.hashing import DayOfWeek, HourOfDay, Modulo, Thresholds
from two_tower.towers.multi_interest.layers import (
    positions_from_newest,
    unit_vectors,
    weighted_softmax,
)
from two_tower.towers.vectors import take_rows
from two_tower.types import FIRST_ID, PADDING, Tensor

HOURS_PER_WEEK = 7 * 24

# Unknown hours and ages, and the age of 0 seconds.
UNKNOWN, FIRST_AGE = 0, 1


class Context(NamedTuple):
    """Embedded events and requests, the inputs of item attention.

    Attributes:
        keys: `[B, T, 3D]` float per event: mean of rating and age vectors, time vector,
            category vector; None if attention reads no keys.
        queries: `[B, Q, D]` float per request: time vector, category of recent positive
            events and, if users have vectors, the user's.
        is_known: `[B, Q]` bool, False for unknown queries, whose vectors are zero.
    """

    keys: Tensor | None
    queries: Tensor
    is_known: Tensor


def flag_positive(
    ratings: Tensor, is_real: Tensor, positive_rating: float | None
) -> Tensor:
    """Return the mask of positive events.

    Args:
        ratings: `[B, T]` float32, NaN without a rating.
        is_real: `[B, T]` bool.
        positive_rating: minimum rating of a positive event; None: all.

    Returns:
        `[B, T]` bool; real events without a rating are positive.
    """
    if positive_rating is None:
        return is_real
    # Not "not below": TensorFlow's graphs turn it into "at or above", False for NaN.
    is_positive = ops.logical_or(ops.isnan(ratings), ratings >= positive_rating)
    return ops.logical_and(is_real, is_positive)


def hour_of_week(hours: Tensor) -> Tensor:
    """Return the hours of the week, 1 … 168, or 0 if unknown.

    Args:
        hours: `[...]` int32, whole hours since 1970 (UTC), 0 if unknown.

    Returns:
        `[...]` int32.
    """
    return ops.where(hours != UNKNOWN, ops.mod(hours, HOURS_PER_WEEK) + 1, 0)


@keras.saving.register_keras_serializable("two_tower")
class EventContext(keras.layers.Layer):
    """Embed events and requests.

    Unknown ratings, ages, times and users have zero vectors, as padding has.

    Args:
        dimension: D.
        max_length: number of positions with a weight each; older items share the last.
        positive_rating: minimum rating of an event whose category counts; events
            without a rating count. None: all.
        rating_edges: rising bucket boundaries of ratings.
        age_edges: rising bucket boundaries of the seconds from event to request.
        user_id: `buckets` (a prime) and `dimension` of each hashed table of user ids;
            None: users have no vectors.
        keys: whether events have keys.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, section 3.4, and its public code.
    """

    def __init__(  # noqa: PLR0913
        self,
        dimension: int,
        *,
        max_length: int,
        positive_rating: float | None,
        rating_edges: Sequence[float],
        age_edges: Sequence[float],
        user_id: Sequence[Mapping[str, int]] | None,
        keys: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.max_length = max_length
        self.positive_rating = positive_rating
        self.user_id = user_id
        self.keys = keys
        embed = partial(
            HashedEmbedding, dimension=dimension, dtype=self.dtype_policy.name
        )
        if keys:
            ratings, ages = (
                Thresholds(tuple(rating_edges)),
                Thresholds(tuple(age_edges)),
            )
            self.ratings = embed([Hash("ratings", ratings, dimension)], name="ratings")
            self.ages = embed([Hash("ages", ages, dimension)], name="ages")
        self.times = embed(
            [
                Hash("hours", HourOfDay(), dimension),
                Hash("days", DayOfWeek(), dimension),
            ],
            name="times",
        )
        if user_id is not None:
            hashes = [
                Hash(f"users_{n}", Modulo(one["buckets"]), one["dimension"])
                for n, one in enumerate(user_id)
            ]
            self.users = embed(hashes, name="users")

    @property
    def input_dtype(self) -> str:
        """Dtype that Keras casts inputs to; half precision would move ratings."""
        return "float32"

    @property
    def n_queries(self) -> int:
        """Q, number of queries per request."""
        return 2 if self.user_id is None else 3

    def build(self, _: Any = None) -> None:
        for layer in self._embeddings():
            layer.build()
        self.position_logits = self.add_weight(
            name="position_logits",
            shape=(self.max_length,),
            initializer=unit_vectors(self.dimension),
            autocast=False,
        )
        self.built = True

    def call(self, batch: Mapping[str, Any], categories: Tensor) -> Context:
        """Return keys of the events and queries of the requests.

        Args:
            batch: `items`, `hours`, `ages` `[B, T]` int32, `ratings` `[B, T]` float32
                and `request_hours` `[B]` int32, see `span_fields`; `users` `[B]` int32
                if users have vectors.
            categories: `[B, T, D]` float, category vectors of the items.
        """
        is_real = ops.not_equal(batch["items"], PADDING)
        categories = ops.cast(categories, self.compute_dtype)
        week = self._week()
        is_positive = flag_positive(batch["ratings"], is_real, self.positive_rating)
        requested = batch["request_hours"]
        queries = [
            take_rows(week, hour_of_week(requested), dtype=week.dtype),
            self._positive_category(categories, is_real, is_positive),
        ]
        known = [requested != UNKNOWN, ops.any(is_positive, axis=1)]
        if self.user_id is not None:
            is_user = batch["users"] >= FIRST_ID
            queries.append(self.users(batch["users"], is_user))
            known.append(is_user)
        keys = None
        if self.keys:
            times = take_rows(week, hour_of_week(batch["hours"]), dtype=week.dtype)
            keys = ops.concatenate(
                [self._rating_and_age(batch), times, categories], axis=-1
            )
        return Context(keys, ops.stack(queries, axis=1), ops.stack(known, axis=1))

    def _embeddings(self) -> list[HashedEmbedding]:
        of_events = [self.ratings, self.ages] if self.keys else []
        of_users = [] if self.user_id is None else [self.users]
        return [self.times, *of_events, *of_users]

    def _week(self) -> Tensor:
        """Return `[1 + 168, D]`: zeros, then the vector of each hour of the week.

        Events outnumber hours, so this saves most of the projections.
        """
        hours = np.arange(HOURS_PER_WEEK, dtype=np.int32)
        vectors = self.times(hours, np.ones(HOURS_PER_WEEK, bool))
        return ops.concatenate([ops.zeros_like(vectors[:1]), vectors])

    def _rating_and_age(self, batch: Mapping[str, Any]) -> Tensor:
        """Return `[B, T, D]`, the mean of each event's rating and age vectors."""
        ratings, ages = batch["ratings"], batch["ages"]
        rated = ops.logical_not(ops.isnan(ratings))
        seconds = ages - FIRST_AGE
        return (self.ratings(ratings, rated) + self.ages(seconds, ages != UNKNOWN)) / 2

    def _positive_category(
        self, categories: Tensor, is_real: Tensor, is_positive: Tensor
    ) -> Tensor:
        """Return `[B, D]`, the mean category of positive events, by position."""
        positions = positions_from_newest(is_real, self.max_length)
        logits = take_rows(self.position_logits, positions, dtype="float32")
        weights = weighted_softmax(logits, ops.cast(is_positive, "float32"), axis=-1)
        by_row = ops.expand_dims(ops.cast(weights, categories.dtype), 1)
        return ops.squeeze(ops.matmul(by_row, categories), axis=1)
