"""What is known of the events of a history, and of the request that it serves."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from two_tower.towers.hashed_embedding import Hash, HashedEmbedding
from two_tower.towers.hashing import DayOfWeek, HourOfDay, Modulo, Thresholds
from two_tower.towers.multi_interest.layers import (
    ages_of_places,
    unit_vectors,
    weighted_softmax,
)
from two_tower.towers.vectors import take_rows
from two_tower.types import FIRST_ID, PADDING, Tensor

HOURS_PER_WEEK = 7 * 24

# What hours and ages are where nobody knows them, and the age of 0 seconds.
UNKNOWN, FIRST_AGE = 0, 1


class Context(NamedTuple):
    """What a layer of attention may read.

    Attributes:
        keys: `[B, T, 3D]` float, of each event: the mean of its rating's and its age's
            vectors, then its time's, then its category's; None if there are none.
        queries: `[B, Q, D]` float, of each request: its time's vector, the category of
            late positive events and, if users have vectors of their own, the user's.
        is_known: `[B, Q]` bool, False for a query of which nothing is known, whose
            vector is zero.
    """

    keys: Tensor | None
    queries: Tensor
    is_known: Tensor


def flag_positive(
    ratings: Tensor, is_real: Tensor, positive_rating: float | None
) -> Tensor:
    """Return which events speak for what a user likes.

    Args:
        ratings: `[B, T]` float32, NaN for none.
        is_real: `[B, T]` bool.
        positive_rating: the least rating that does; None for any.

    Returns:
        `[B, T]` bool: real events rated so, or not at all.
    """
    if positive_rating is None:
        return is_real
    # Not by "not below": TensorFlow's graphs make "at or above" of it, False for NaN.
    is_liked = ops.logical_or(ops.isnan(ratings), ratings >= positive_rating)
    return ops.logical_and(is_real, is_liked)


def hour_of_week(hours: Tensor) -> Tensor:
    """Return 1 … 168 of whole hours since 1970, and 0 of unknown ones.

    Args:
        hours: `[...]` int32.

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
        max_length: how many positions have weights of their own; older items share the
            last.
        positive_rating: the least rating of an event that speaks for a category; events
            without a rating do. None for all events.
        rating_edges: rising; ratings that no edge lies between share a vector.
        age_edges: rising, in seconds; likewise for the time from event to request.
        user_id: `buckets` (a prime) and `dimension` of each hash of user ids; None if
            users have no vectors of their own.
        keys: whether there are keys.

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
        self.rating_edges = list(rating_edges)
        self.age_edges = list(age_edges)
        self.user_id = None if user_id is None else [dict(one) for one in user_id]
        self.keys = keys
        embed = partial(HashedEmbedding, dimension=dimension, dtype=self.dtype_policy)
        if keys:
            ratings = Thresholds(tuple(self.rating_edges))
            ages = Thresholds(tuple(self.age_edges))
            self.ratings = embed([Hash("ratings", ratings, dimension)], name="ratings")
            self.ages = embed([Hash("ages", ages, dimension)], name="ages")
        self.times = embed(
            [
                Hash("hours", HourOfDay(), dimension),
                Hash("days", DayOfWeek(), dimension),
            ],
            name="times",
        )
        if self.user_id is not None:
            hashes = [
                Hash(f"users_{n}", Modulo(one["buckets"]), one["dimension"])
                for n, one in enumerate(self.user_id)
            ]
            self.users = embed(hashes, name="users")

    @property
    def input_dtype(self) -> str:
        """What Keras casts numbers to: half precision would move ratings over edges."""
        return "float32"

    @property
    def n_queries(self) -> int:
        """Q, how many queries each request has."""
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
        """Return the context of a batch.

        Args:
            batch: `items`, `hours`, `ages` `[B, T]` int32, `ratings` `[B, T]` float32,
                `asked_hours` `[B]` int32 as `MultiInterestUserTower.call` takes them,
                and `users` `[B]` int32 if they have vectors.
            categories: `[B, T, D]` float, the categories of the items.

        Returns:
            Keys of the events and queries of the requests.
        """
        is_real = ops.not_equal(batch["items"], PADDING)
        categories = ops.cast(categories, self.compute_dtype)
        week = self._week()
        is_liked = flag_positive(batch["ratings"], is_real, self.positive_rating)
        queries = [
            take_rows(week, hour_of_week(batch["asked_hours"]), dtype=week.dtype),
            self._liked_category(categories, is_real, is_liked),
        ]
        known = [batch["asked_hours"] != UNKNOWN, ops.any(is_liked, axis=1)]
        if self.user_id is not None:
            is_user = batch["users"] >= FIRST_ID
            queries.append(self.users(batch["users"], is_user))
            known.append(is_user)
        keys = None
        if self.keys:
            times = take_rows(week, hour_of_week(batch["hours"]), dtype=week.dtype)
            keys = ops.concatenate([self._mark(batch), times, categories], axis=-1)
        return Context(keys, ops.stack(queries, axis=1), ops.stack(known, axis=1))

    def _embeddings(self) -> list[HashedEmbedding]:
        found = [self.times]
        found += [self.ratings, self.ages] if self.keys else []
        return found + ([self.users] if self.user_id is not None else [])

    def _week(self) -> Tensor:
        """Return `[1 + 168, D]`: zeros, then the vector of each hour of the week.

        Events outnumber the hours, so it saves most of the projections.
        """
        hours = np.arange(HOURS_PER_WEEK, dtype=np.int32)
        vectors = self.times(hours, np.ones(HOURS_PER_WEEK, bool))
        return ops.concatenate([ops.zeros_like(vectors[:1]), vectors])

    def _mark(self, batch: Mapping[str, Any]) -> Tensor:
        """Return `[B, T, D]`: the mean of the vectors of each rating and age."""
        ratings, ages = batch["ratings"], batch["ages"]
        rated = ops.logical_not(ops.isnan(ratings))
        seconds = ages - FIRST_AGE
        return (self.ratings(ratings, rated) + self.ages(seconds, ages != UNKNOWN)) / 2

    def _liked_category(
        self, categories: Tensor, is_real: Tensor, is_liked: Tensor
    ) -> Tensor:
        """Return `[B, D]`, the mean category of liked events, by their positions."""
        places = ages_of_places(is_real, self.max_length)
        logits = take_rows(self.position_logits, places, dtype="float32")
        weights = weighted_softmax(logits, ops.cast(is_liked, "float32"), axis=-1)
        by_row = ops.expand_dims(ops.cast(weights, categories.dtype), 1)
        return ops.squeeze(ops.matmul(by_row, categories), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "max_length": self.max_length,
            "positive_rating": self.positive_rating,
            "rating_edges": self.rating_edges,
            "age_edges": self.age_edges,
            "user_id": self.user_id,
            "keys": self.keys,
        }
