"""History encoder with several interests per user."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from two_tower.towers.base import embed_history
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.event_dropout import EventDropout
from two_tower.towers.multi_interest.aggregation import HeadAggregation
from two_tower.towers.multi_interest.disentangle import Disentangler
from two_tower.towers.multi_interest.event_context import Context, EventContext
from two_tower.towers.multi_interest.item_attention import (
    CoAction,
    ContextAttention,
    QueryAttention,
)
from two_tower.towers.multi_interest.layers import unit_vectors
from two_tower.towers.multi_interest.params import (
    AggregationParams,
    EventParams,
    HeadParams,
    ItemAttentionParams,
)
from two_tower.towers.multi_interest.router import ProtoRouter
from two_tower.towers.vectors import to_unit_length
from two_tower.types import PADDING, RoutingMode, Tensor

# Batch fields of events and requests, which event dropout makes unknown.
EVENT_FIELDS = ("hours", "ages", "ratings", "request_hours")


class Interests(NamedTuple):
    """Interests of the users of a batch.

    Attributes:
        vectors: `[B, V, D]` float, not normalised.
        heads: `[B, H, D]` float32; vector v aggregates the heads h with h // (H/V) = v.
        item_probability: `[B, T]` float32, p(t), weight of each item of the history;
            of sum 1, or 0 in an empty history.
        head_of_item: `[B, T, H]` float32, p(h|t); of sum 1, or 0 for padding.
    """

    vectors: Tensor
    heads: Tensor
    item_probability: Tensor
    head_of_item: Tensor


@keras.saving.register_keras_serializable("two_tower")
class MultiInterestUserTower(keras.layers.Layer):
    """Disentangle a history of events into H interests, aggregated to V vectors.

    Item attention weights each item by item, event and request; a router assigns items
    to heads by their cosines with learned prototypes; heads are aggregated in groups.
    One vector is CLRec, several are MultiCLRec. An empty history has learned heads.

    Args:
        dimension: D.
        n_heads: H.
        n_vectors: V, a divisor of H.
        max_length: longest history of training, in items.
        category: item features whose mean vector is an item's category.
        events: `EventParams` or their fields.
        attention: `ItemAttentionParams` or their fields.
        heads: `HeadParams` or their fields.
        aggregation: `AggregationParams` or their fields.
        seed: seed of the event dropout.

    Raises:
        ValueError: if V doesn't divide H, or options are invalid.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, and its public code (MultiCLRec).
    """

    query_per_position = False
    reads_events = True

    def __init__(  # noqa: PLR0913
        self,
        dimension: int,
        *,
        n_heads: int,
        n_vectors: int,
        max_length: int,
        category: Sequence[str],
        events: EventParams | Mapping[str, Any],
        attention: ItemAttentionParams | Mapping[str, Any],
        heads: HeadParams | Mapping[str, Any],
        aggregation: AggregationParams | Mapping[str, Any],
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.n_heads = n_heads
        self.n_vectors = n_vectors
        self.max_length = max_length
        self.category = list(category)
        self.events = EventParams.model_validate(events)
        self.request_time = self.events.request_time
        self.reads_users = self.events.user_id is not None
        self.attention_options = ItemAttentionParams.model_validate(attention)
        self.head_options = HeadParams.model_validate(heads)
        self.aggregation_options = AggregationParams.model_validate(aggregation)
        self.seed = seed
        self.hidden_events = EventDropout(self.events.hidden, seed=seed)
        dtype = self.dtype_policy.name
        by_context = self.attention_options.kind == "context"
        self.context = EventContext(
            dimension,
            max_length=max_length,
            **self.events.model_dump(exclude={"request_time", "hidden"}),
            keys=by_context,
            name="context",
            dtype=dtype,
        )
        self.co_action = (
            CoAction(dimension, name="co_action", dtype=dtype) if by_context else None
        )
        self.attention = self._new_attention()
        self.disentangler = self._new_disentangler()
        self.category_router = self._new_router(
            "soft", self.head_options.category_temperature, name="category_router"
        )
        self.aggregation = HeadAggregation(
            n_heads,
            n_vectors,
            dimension,
            **self.aggregation_options.model_dump(),
            name="aggregation",
            dtype=dtype,
        )

    @property
    def input_dtype(self) -> str:
        """Dtype that Keras casts inputs to; half precision would move ratings."""
        return "float32"

    @property
    def item_router(self) -> ProtoRouter:
        """The router of items to heads."""
        return self.disentangler.router

    def build(self, _: Any = None) -> None:
        self.context.build()
        if self.co_action is not None:
            width = self.context.n_queries * self.dimension
            self.co_action.build((None, None, 3 * self.dimension), (None, width))
        for layer in (
            self.attention,
            self.disentangler,
            self.category_router,
            self.aggregation,
        ):
            layer.build()
        self.no_history = self.add_weight(
            name="no_history",
            shape=(self.n_heads, self.dimension),
            initializer=unit_vectors(self.dimension),
        )
        self.built = True

    def encode(
        self,
        batch: Mapping[str, Any],
        item_tower: EntityTower,
        *,
        catalogue: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Return `[B, V, D]` float vectors of users, or `[B, D]` if V is 1.

        Arguments as in `HistoryEncoder.encode`.
        """
        vectors = self.interests(
            batch, item_tower, catalogue=catalogue, training=training
        ).vectors
        return vectors if self.n_vectors > 1 else ops.squeeze(vectors, 1)

    def interests(
        self,
        batch: Mapping[str, Any],
        item_tower: EntityTower,
        *,
        catalogue: Tensor | None = None,
        training: bool = False,
    ) -> Interests:
        """Return the users' interests; arguments as in `HistoryEncoder.encode`."""
        items = batch["items"]
        found: Interests = self(
            batch,
            embed_history(items, item_tower, catalogue, training=training),
            item_tower.mean_of(items, self.category),
            training=training,
        )
        return found

    def category_log_probabilities(
        self, ids: Tensor, item_tower: EntityTower
    ) -> Tensor:
        """Return `[N, H]` float32 log p(h | category) of `[N]` item indices."""
        categories = item_tower.mean_of(ids, self.category)
        return self.category_router.log_probabilities(categories)

    def call(
        self,
        batch: Mapping[str, Any],
        vectors: Tensor,
        categories: Tensor,
        *,
        training: bool = False,
    ) -> Interests:
        """Return the interests of the users of a batch.

        Args:
            batch: fields of `span_fields`; `users` `[B]` int32 with `reads_users`.
            vectors: `[B, T, D]` float, item vectors of any length.
            categories: `[B, T, D]` float, category vectors of the items.
            training: whether event dropout applies.
        """
        events = {name: batch[name] for name in EVENT_FIELDS}
        batch = {**batch, **self.hidden_events(events, training=training)}
        is_real = ops.not_equal(batch["items"], PADDING)
        vectors = ops.cast(vectors, self.compute_dtype)
        context = self.context(batch, categories)
        probability = self._item_probability(vectors, context, is_real)
        heads, mean_item, head_of_item = self.disentangler(
            to_unit_length(vectors), probability, is_real
        )
        has_history = ops.expand_dims(ops.any(is_real, axis=1, keepdims=True), -1)
        heads = ops.where(has_history, heads, ops.cast(self.no_history, heads.dtype))
        return Interests(
            self.aggregation(heads, mean_item),
            ops.cast(heads, "float32"),
            probability,
            head_of_item,
        )

    def _item_probability(
        self, vectors: Tensor, context: Context, is_real: Tensor
    ) -> Tensor:
        queries = context.queries
        if self.co_action is None:
            return self.attention(vectors, queries, is_real, context.is_known)
        request = ops.reshape(queries, (-1, self.context.n_queries * self.dimension))
        contexts = self.co_action(context.keys, request)
        return self.attention(vectors, contexts, is_real)

    def _new_attention(self) -> ContextAttention | QueryAttention:
        options, dtype = self.attention_options, self.dtype_policy.name
        if options.kind == "context":
            return ContextAttention(
                self.dimension,
                max_length=self.max_length,
                position_bias=options.position_bias,
                name="attention",
                dtype=dtype,
            )
        return QueryAttention(
            self.dimension,
            temperature=options.temperature,
            transform=options.transform,
            name="attention",
            dtype=dtype,
        )

    def _new_router(
        self, mode: RoutingMode, temperature: float, name: str
    ) -> ProtoRouter:
        return ProtoRouter(
            self.n_heads,
            self.dimension,
            temperature=temperature,
            mode=mode,
            name=name,
            dtype=self.dtype_policy.name,
        )

    def _new_disentangler(self) -> Disentangler:
        options = self.head_options
        return Disentangler(
            self.n_heads,
            self.dimension,
            router=self._new_router(
                options.routing, options.temperature, name="item_router"
            ),
            equalise=options.equalise,
            prior=options.prior,
            norm=options.norm,
            name="disentangler",
            dtype=self.dtype_policy.name,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "n_heads": self.n_heads,
            "n_vectors": self.n_vectors,
            "max_length": self.max_length,
            "category": self.category,
            "events": self.events.model_dump(),
            "attention": self.attention_options.model_dump(),
            "heads": self.head_options.model_dump(),
            "aggregation": self.aggregation_options.model_dump(),
            "seed": self.seed,
        }
