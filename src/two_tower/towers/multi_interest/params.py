"""What a user tower of several interests is made of, in groups of options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

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
