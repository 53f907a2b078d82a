"""Options of the multi-interest history encoder."""

from typing import Self

from pydantic import Field, model_validator

from two_tower.params import Factor, Params
from two_tower.towers.params import HashedTable, require_distinct_tables
from two_tower.types import HeadNorm, ItemAttentionKind, QuerySource, RoutingMode


class EventParams(Params):
    """Embedding of events and requests."""

    positive_rating: float | None = Field(
        description="minimum rating of a positive event; null: all. Events without a "
        "rating are positive"
    )
    rating_edges: list[float] = Field(
        min_length=1, description="rising bucket boundaries of ratings"
    )
    age_edges: list[float] = Field(
        min_length=1,
        description="rising bucket boundaries of the seconds from event to request",
    )
    request_time: bool = Field(
        description="whether the time of the request is read, in training and "
        "evaluation that of the positive; otherwise that of the newest event"
    )
    user_id: list[HashedTable] | None = Field(
        description="hashed tables of user embeddings; null: none"
    )
    hidden: float = Field(
        ge=0,
        lt=1,
        description="share of histories whose times and ratings become unknown in "
        "training, so that requests without them are served as well",
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


class ItemAttentionParams(Params):
    """Attention over the items of a history."""

    kind: ItemAttentionKind = Field(
        description="by item, event and request, or by similarity to the request alone"
    )
    position_bias: bool = Field(description="of context: whether positions are read")
    transform: bool = Field(description="of queries: whether a layer changes them")
    temperature: Factor = Field(gt=0, description="of queries")

    @model_validator(mode="after")
    def _context_reads_positions(self) -> Self:
        if self.position_bias and self.kind == "queries":
            raise ValueError(
                "attention.position_bias is true but kind is 'queries', which reads no "
                "positions; set it to false, or choose context"
            )
        return self


class HeadParams(Params):
    """Routing of items to heads, and the layers that make heads."""

    routing: RoutingMode = Field(
        description="probabilities, or the most probable head with their gradient "
        "(straight_through) or without (hard)"
    )
    temperature: Factor = Field(gt=0, description="of items' cosines with prototypes")
    category_temperature: Factor = Field(
        gt=0, description="of categories' cosines with theirs, in the objective"
    )
    equalise: bool = Field(description="heads of few items weigh as much as others")
    prior: bool = Field(description="a learned vector per head beside its items")
    norm: HeadNorm | None = Field(
        description="layer norm of the heads, with unit to length 1; null: none"
    )


class AggregationParams(Params):
    """Attention that aggregates the heads of a vector."""

    query: QuerySource = Field(description="whose mean is the query over the heads")
    transform: bool = Field(description="whether a layer changes the query")
    temperature: Factor | None = Field(gt=0, description="of the weights; null: 1")
    last_layer: bool = Field(description="whether each vector has a last layer")
