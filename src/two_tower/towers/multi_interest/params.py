"""What a user tower of several interests is made of, in groups of options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar, get_args

from pydantic import Field, PositiveInt, model_validator

from two_tower.params import Params
from two_tower.towers.params import (
    HashedTable,
    HistoryParams,
    HistoryShape,
    require_distinct_tables,
)
from two_tower.types import HeadNorm, ItemAttentionKind, QuerySource, RoutingMode


@dataclass(frozen=True)
class EventOptions:
    """How events and requests are read; see `EventContext`.

    Attributes:
        positive_rating: the least rating of an event that speaks for a category; None
            for any. Events without a rating always do.
        rating_edges: rising; ratings between the same two edges are alike.
        age_edges: rising, in seconds; likewise for the time from event to request.
        request_time: whether ages and the hour asked at are of the request; otherwise
            those who make batches take the newest event's time for it.
        user_id: `buckets` and `dimension` of each hash of user ids; None for none.
        hidden: share of the histories of which training hides times and ratings, in
            [0, 1); see `HiddenEvents`.
    """

    positive_rating: float | None
    rating_edges: Sequence[float]
    age_edges: Sequence[float]
    request_time: bool
    user_id: Sequence[Mapping[str, int]] | None
    hidden: float


@dataclass(frozen=True)
class AttentionOptions:
    """How much each item of a history counts.

    Attributes:
        kind: `context` for `ContextAttention`, by item, event and request; `queries`
            for `QueryAttention`, by the request alone.
        position_bias: whether `context` sees positions.
        transform: whether `queries` changes them by a linear layer.
        temperature: of `queries`.
    """

    kind: ItemAttentionKind
    position_bias: bool
    transform: bool
    temperature: float

    def __post_init__(self) -> None:
        if self.kind not in get_args(ItemAttentionKind):
            raise ValueError(
                f"there is no attention {self.kind!r}; choose one of "
                f"{get_args(ItemAttentionKind)}"
            )


@dataclass(frozen=True)
class HeadOptions:
    """How items are routed to heads, and what heads are made of.

    Attributes:
        routing: `soft`, `straight_through` or `hard`; see `ProtoRouter`.
        temperature: of the routing.
        category_temperature: of the router of categories, which training alone asks.
        equalise: whether heads of few items weigh as much as those of many.
        prior: whether each head has a learned vector beside its items.
        norm: `layer` for heads behind a layer norm, `unit` for one to length 1, None
            for none.
    """

    routing: RoutingMode
    temperature: float
    category_temperature: float
    equalise: bool
    prior: bool
    norm: HeadNorm | None


@dataclass(frozen=True)
class AggregationOptions:
    """How heads become vectors; see `HeadAggregation`.

    Attributes:
        query: `items` or `heads`, whose mean asks.
        transform: whether a linear layer changes what asks.
        temperature: of the weights; None for 1.
        last_layer: whether each vector passes a linear layer of its own at the end.
    """

    query: QuerySource
    transform: bool
    temperature: float | None
    last_layer: bool


Options = TypeVar("Options")


def as_options(kind: type[Options], given: Options | Mapping[str, Any]) -> Options:
    """Return options of a kind that are given as such or by name."""
    return kind(**given) if isinstance(given, Mapping) else given


class Events(Params):
    """How a multi-interest history reads its events and the request."""

    positive_rating: float | None = Field(
        description="least rating of an event that speaks for what a user likes; null: "
        "any. Events without a rating do"
    )
    rating_edges: list[float] = Field(
        min_length=1, description="rising; ratings between the same two are alike"
    )
    age_edges: list[float] = Field(
        min_length=1,
        description="rising seconds; likewise for the time from event to request",
    )
    request_time: bool = Field(
        description="whether it is known when a query is asked: in training and "
        "evaluation the time of the positive; else that of the newest event"
    )
    user_id: list[HashedTable] | None = Field(
        description="tables of the users' own vectors; null: none"
    )
    hidden: float = Field(
        ge=0,
        lt=1,
        description="share of histories whose times and ratings training hides, so "
        "that requests without them are no surprise",
    )

    @model_validator(mode="after")
    def _edges_rise(self) -> Self:
        for name in ("rating_edges", "age_edges"):
            edges = getattr(self, name)
            if sorted(set(edges)) != edges:
                raise ValueError(f"{name} are {edges}; let each be above the last one")
        return self

    @model_validator(mode="after")
    def _tables_differ(self) -> Self:
        require_distinct_tables("user_id", self.user_id or [])
        return self


class ItemAttention(Params):
    """How much each item of a multi-interest history counts."""

    kind: ItemAttentionKind = Field(
        description="by item, event and request, or by likeness to the request alone"
    )
    position_bias: bool = Field(description="of context: whether positions are seen")
    transform: bool = Field(description="of queries: whether a layer changes them")
    temperature: float = Field(gt=0, description="of queries")

    @model_validator(mode="after")
    def _options_are_used(self) -> Self:
        if self.position_bias and self.kind == "queries":
            raise ValueError(
                "attention.position_bias is true but kind is 'queries', which sees no "
                "positions; set it to false, or choose context"
            )
        return self


class Heads(Params):
    """How items are shared out among the heads of a multi-interest history."""

    routing: RoutingMode = Field(
        description="shares, or the first head alone, with their gradient or without"
    )
    temperature: float = Field(gt=0, description="of items' cosines with prototypes")
    category_temperature: float = Field(
        gt=0, description="of categories' cosines with theirs, in the objective"
    )
    equalise: bool = Field(description="heads of few items weigh as much as others")
    prior: bool = Field(description="a learned vector of each head beside its items")
    norm: HeadNorm | None = Field(
        description="layer norm behind the heads, to length 1 by unit; null: none"
    )


class HeadAggregation(Params):
    """How the heads of a vector become one."""

    query: QuerySource = Field(description="whose mean asks the heads")
    transform: bool = Field(description="whether a layer changes what asks")
    temperature: float | None = Field(gt=0, description="of the answer; null: 1")
    last_layer: bool = Field(
        description="whether each vector passes a layer of its own"
    )


class MultiInterestParams(HistoryParams):
    """The layers that take a history apart into interests."""

    max_items: PositiveInt = Field(description="newest items that count")
    n_heads: PositiveInt = Field(description="interests, H")
    n_vectors: PositiveInt = Field(description="vectors of a query; divides n_heads")
    category: list[str] = Field(
        min_length=1, description="item features whose mean is an item's category"
    )
    events: Events
    attention: ItemAttention
    heads: Heads
    aggregation: HeadAggregation

    query_per_position: ClassVar[bool] = False

    @property
    def reads_events(self) -> bool:
        return True

    def build(self, shape: HistoryShape) -> Any:
        from two_tower.towers.multi_interest.tower import MultiInterestUserTower

        return MultiInterestUserTower(
            shape.dimension,
            n_heads=self.n_heads,
            n_vectors=self.n_vectors,
            max_length=self.max_items,
            category=self.category,
            events=self.events.model_dump(),
            attention=self.attention.model_dump(),
            heads=self.heads.model_dump(),
            aggregation=self.aggregation.model_dump(),
            seed=shape.seed,
            dtype=shape.dtype,
        )

    @model_validator(mode="after")
    def _vectors_share_heads(self) -> Self:
        if self.n_heads % self.n_vectors:
            raise ValueError(
                f"n_heads is {self.n_heads}, no multiple of n_vectors "
                f"{self.n_vectors}; each vector is made of as many heads"
            )
        return self
