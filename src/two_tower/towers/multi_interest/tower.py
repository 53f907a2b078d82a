"""The user tower that takes a history apart into several interests."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import keras
from keras import ops

from two_tower.towers.event_dropout import HiddenEvents
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
    AggregationOptions,
    AttentionOptions,
    EventOptions,
    HeadOptions,
    as_options,
)
from two_tower.towers.multi_interest.router import ProtoRouter
from two_tower.towers.vectors import to_unit_length
from two_tower.types import PADDING, RoutingMode, Tensor

# What a batch holds of events and requests beside items and users.
OF_EVENTS = ("hours", "ages", "ratings", "asked_hours")


class Interests(NamedTuple):
    """What a batch of users are after.

    Attributes:
        vectors: `[B, V, D]` float32 unit vectors.
        heads: `[B, H, D]` float32, what the vectors are made of; heads h with
            h // (H/V) = v make vector v.
        item_probability: `[B, T]` float32, how much each item of the history counts;
            0 for padding, and of sum 1 in each row that has a real item.
        head_of_item: `[B, T, H]` float32, how far each item belongs to each head; of
            sum 1, or 0 for padding.
    """

    vectors: Tensor
    heads: Tensor
    item_probability: Tensor
    head_of_item: Tensor


@keras.saving.register_keras_serializable("two_tower")
class MultiInterestUserTower(keras.layers.Layer):
    """Read a history of events as H interests, and answer with V vectors.

    Each item counts by what it is and by how, when and for which request it was met;
    a router shares it out among heads by its cosines with learned prototypes; heads
    are summed up in groups. With one vector this is CLRec, with several MultiCLRec. A
    history without items has learned heads of its own.

    Args:
        dimension: D.
        n_heads: H.
        n_vectors: V, a divisor of H.
        max_length: the longest history in training; of longer ones the newest items
            are to be given.
        category: names of the item features whose mean vector is an item's category.
        events: `EventOptions`, or their fields.
        attention: `AttentionOptions`, or their fields.
        heads: `HeadOptions`, or their fields.
        aggregation: `AggregationOptions`, or their fields.
        seed: of which histories lose their events in training.

    Raises:
        ValueError: if V doesn't divide H, or an option is not one of its choices.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, and its public code (MultiCLRec).
    """

    reads_events = True
    query_per_position = False

    def __init__(  # noqa: PLR0913
        self,
        dimension: int,
        *,
        n_heads: int,
        n_vectors: int,
        max_length: int,
        category: Sequence[str],
        events: EventOptions | Mapping[str, Any],
        attention: AttentionOptions | Mapping[str, Any],
        heads: HeadOptions | Mapping[str, Any],
        aggregation: AggregationOptions | Mapping[str, Any],
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.n_heads = n_heads
        self.n_vectors = n_vectors
        self.max_length = max_length
        self.category = list(category)
        self.events = as_options(EventOptions, events)
        self.attention_options = as_options(AttentionOptions, attention)
        self.head_options = as_options(HeadOptions, heads)
        self.aggregation_options = as_options(AggregationOptions, aggregation)
        self.seed = seed
        self.hidden_events = HiddenEvents(self.events.hidden, seed=seed)
        dtype = self.dtype_policy
        by_context = self.attention_options.kind == "context"
        self.context = EventContext(
            dimension,
            max_length=max_length,
            positive_rating=self.events.positive_rating,
            rating_edges=self.events.rating_edges,
            age_edges=self.events.age_edges,
            user_id=self.events.user_id,
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
            **asdict(self.aggregation_options),
            name="aggregation",
            dtype=dtype,
        )

    @property
    def input_dtype(self) -> str:
        """What Keras casts numbers to: half precision would move ratings over edges."""
        return "float32"

    @property
    def request_time(self) -> bool:
        """Whether batches are to hold ages and hours of the request itself."""
        return self.events.request_time

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
            batch: of each event, oldest first and padded behind: `items` `[B, T]`
                int32 dense ids, 0 for padding; `hours` `[B, T]` int32, whole hours
                since 1970 (UTC), 0 where unknown; `ages` `[B, T]` int32, seconds to the
                request and 1, 0 where unknown; `ratings` `[B, T]` float32, NaN for
                none. Of each request: `asked_hours` `[B]` int32, 0 where unknown; and
                `users` `[B]` int32 dense ids, where users have vectors of their own.
            vectors: `[B, T, D]` float, the items' vectors, of any length.
            categories: `[B, T, D]` float, the mean vectors of the items' categories.
            training: whether to hide the events of some histories.

        Returns:
            The users' interests.
        """
        of_events = {name: batch[name] for name in OF_EVENTS}
        batch = {**batch, **self.hidden_events(of_events, training=training)}
        is_real = ops.not_equal(batch["items"], PADDING)
        vectors = ops.cast(vectors, self.compute_dtype)
        context = self.context(batch, categories)
        probability = self._item_probability(vectors, context, is_real)
        heads, mean_item, head_of_item = self.disentangler(
            to_unit_length(vectors), probability, is_real
        )
        has_history = ops.expand_dims(ops.any(is_real, axis=1, keepdims=True), -1)
        heads = ops.where(has_history, heads, ops.cast(self.no_history, heads.dtype))
        made = self.aggregation(heads, mean_item)
        return Interests(
            to_unit_length(ops.cast(made, "float32")),
            ops.cast(heads, "float32"),
            probability,
            head_of_item,
        )

    @property
    def item_router(self) -> ProtoRouter:
        """What routes items to heads."""
        return self.disentangler.router

    def _item_probability(
        self, vectors: Tensor, context: Context, is_real: Tensor
    ) -> Tensor:
        queries = context.queries
        if self.co_action is None:
            return self.attention(vectors, queries, is_real, context.is_known)
        request = ops.reshape(queries, (-1, self.context.n_queries * self.dimension))
        seen = self.co_action(context.keys, request)
        return self.attention(vectors, seen, is_real)

    def _new_attention(self) -> ContextAttention | QueryAttention:
        options = self.attention_options
        if options.kind == "context":
            return ContextAttention(
                self.dimension,
                max_length=self.max_length,
                position_bias=options.position_bias,
                name="attention",
                dtype=self.dtype_policy,
            )
        return QueryAttention(
            self.dimension,
            temperature=options.temperature,
            transform=options.transform,
            name="attention",
            dtype=self.dtype_policy,
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
            dtype=self.dtype_policy,
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
            dtype=self.dtype_policy,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "n_heads": self.n_heads,
            "n_vectors": self.n_vectors,
            "max_length": self.max_length,
            "category": self.category,
            "events": asdict(self.events),
            "attention": asdict(self.attention_options),
            "heads": asdict(self.head_options),
            "aggregation": asdict(self.aggregation_options),
            "seed": self.seed,
        }
