"""What queries and items are made of."""

from typing import Literal, Self, TypeAlias

from pydantic import Field, PositiveInt, model_validator

from two_tower.params import Params
from two_tower.towers.hashing import Modulo
from two_tower.types import (
    Combination,
    FeedForwardKind,
    HeadNorm,
    ItemAttentionKind,
    QuerySource,
    ResidualKind,
    RoutingMode,
    SelfAttentionKind,
)

HistoryKind: TypeAlias = Literal["none", "mean", "transformer", "multi_interest"]


class Mlp(Params):
    """Dense layers: ReLU and dropout between them, the last one linear."""

    hidden_units: PositiveInt | list[PositiveInt] = Field(
        description="widths of the layers before the last; one number is one layer"
    )
    batch_norm: bool = Field(description="on the input and between layers")
    dropout: float = Field(ge=0, lt=1, description="share dropped between layers")

    @property
    def widths(self) -> list[int]:
        """The hidden widths as a list, whichever way they were given."""
        units = self.hidden_units
        return [units] if isinstance(units, int) else list(units)

    @model_validator(mode="after")
    def _there_is_something_to_drop(self) -> Self:
        if self.dropout and not self.widths:
            raise ValueError(
                f"dropout is {self.dropout} but there are no hidden_units, whose "
                "outputs it drops; set it to 0, or give hidden_units"
            )
        return self


class MeanHistory(Params):
    """The layer that averages a history."""

    hidden_units: list[PositiveInt] = Field(
        min_length=2, description="widths of the ReLU layers after the mean"
    )
    dropout: float = Field(ge=0, lt=1)


class FeedForward(Params):
    """The layers of a block that look at one position alone."""

    kind: FeedForwardKind = Field(
        description="GELU between two layers, or the product of two halves (SwiGLU)"
    )
    factor: float = Field(gt=0, description="their inner width, times the dimension")


class SequenceDropout(Params):
    """Shares that training drops where a history is read in its order."""

    input: float = Field(ge=0, lt=1, description="of items' vectors, with positions")
    attention: float = Field(ge=0, lt=1, description="of the attention's weights")
    feed_forward: float = Field(ge=0, lt=1, description="of inner units")
    branch: float = Field(ge=0, lt=1, description="of what is added to the states")
    times: float = Field(
        ge=0,
        lt=1,
        description="of histories whose times are hidden, if any are read, so that "
        "requests without times are no surprise",
    )


class TransformerHistory(Params):
    """The layers that read a history in its order, with causal attention."""

    n_blocks: int = Field(ge=1)
    n_heads: int = Field(ge=1, description="of each block's attention")
    head_width: PositiveInt | None = Field(
        description="of a head; null: dimension / n_heads"
    )
    attention: SelfAttentionKind = Field(
        description="weights that compete, or, as in HSTU, of each item by itself"
    )
    residual: ResidualKind = Field(
        description="a branch is added, or, as in LiGR, what a gate lets through"
    )
    feed_forward: FeedForward | None = Field(description="null: attention alone")
    absolute_position: bool = Field(
        description="embed how many items came after, counted from the newest"
    )
    relative_position: bool = Field(
        description="attention looks at how many items back another one stands"
    )
    relative_time: bool = Field(
        description="attention looks at how long ago an event was"
    )
    time_gap: bool = Field(
        description="embed the time from an event to the one before it, and, with "
        "request_time, to the one after it"
    )
    request_time: bool = Field(
        description="times are seen from the request, in training and evaluation from "
        "the positive; else from each position's own event"
    )
    dropout: SequenceDropout

    @property
    def reads_times(self) -> bool:
        """Whether any option looks at when events were."""
        return self.relative_time or self.time_gap

    @model_validator(mode="after")
    def _request_time_is_read(self) -> Self:
        if self.request_time and not self.reads_times:
            raise ValueError(
                "request_time is true but relative_time and time_gap are both false, "
                "so that no time is read; set one of them to true, or it to false"
            )
        return self

    @model_validator(mode="after")
    def _there_are_inner_units_to_drop(self) -> Self:
        if self.dropout.feed_forward and self.feed_forward is None:
            raise ValueError(
                f"dropout.feed_forward is {self.dropout.feed_forward} but feed_forward "
                "is null, whose inner units it drops; set it to 0, or give feed_forward"
            )
        return self


class HashedTable(Params):
    """A table whose rows ids share, by their remainder."""

    buckets: int = Field(ge=2, description="rows; a prime, another for each table")
    dimension: PositiveInt = Field(description="width of its rows")

    @model_validator(mode="after")
    def _buckets_are_prime(self) -> Self:
        Modulo(self.buckets)  # refuses another, and names the next prime
        return self


def _no_table_twice(of: str, tables: list[HashedTable]) -> None:
    """Raise `ValueError` if two tables of a value would have its rows alike."""
    buckets = [table.buckets for table in tables]
    if len(set(buckets)) < len(buckets):
        raise ValueError(
            f"the tables of {of} have {buckets} buckets, so two of them are joined by "
            "the same remainder and tell nothing apart that one wouldn't; give each a "
            "prime of its own"
        )


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
        _no_table_twice("user_id", self.user_id or [])
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


class MultiInterestHistory(Params):
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

    @model_validator(mode="after")
    def _vectors_share_heads(self) -> Self:
        if self.n_heads % self.n_vectors:
            raise ValueError(
                f"n_heads is {self.n_heads}, no multiple of n_vectors "
                f"{self.n_vectors}; each vector is made of as many heads"
            )
        return self


class Histories(Params):
    """What may read a history, each with parameters of its own."""

    mean: MeanHistory
    transformer: TransformerHistory
    multi_interest: MultiInterestHistory


class Entity(Params):
    """What the vector of an item, or of a user's profile, is made of."""

    use_id: bool = Field(description="an embedding of the entity's own")
    use_features: bool = Field(description="embeddings of the declared features")
    features: dict[str, bool] = Field(
        description="feature → false leaves it out; those not named are in"
    )
    embedding: PositiveInt | None = Field(
        description="width of each embedding; null: the dimension"
    )
    hashes: dict[str, list[HashedTable]] = Field(
        description="feature, or `id` → tables whose rows its values share, joined by "
        "a projection; those not named have a row for each value"
    )
    combine: Combination = Field(description="how embeddings become one vector")
    mlp: Mlp | None = Field(description="layers from there to the dimension; or null")
    id_dropout: float = Field(
        ge=0, lt=1, description="share of entities without their id in a step"
    )
    scale: float | None = Field(
        gt=0,
        description="standard deviation of initial embeddings; null: 1/√width, for "
        "vectors of about length 1",
    )
    l2: float = Field(ge=0, description="times the sum of all squared embeddings")

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if not (self.use_id or self.use_features):
            raise ValueError(
                "use_id and use_features are both false, so all entities would be "
                "alike; set one of them to true"
            )
        if self.id_dropout and not (self.use_id and self.use_features):
            raise ValueError(
                f"id_dropout is {self.id_dropout}, which needs both use_id and "
                "use_features: an entity without its id must have its content"
            )
        return self

    @model_validator(mode="after")
    def _tables_differ(self) -> Self:
        for part, tables in self.hashes.items():
            _no_table_twice(f"hashes.{part}", tables)
        return self

    @model_validator(mode="after")
    def _the_width_fits(self) -> Self:
        if self.mlp is None and self.combine == "concat":
            raise ValueError(
                "combine is 'concat' but mlp is null, so nothing would bring the "
                "vector to the dimension; give an mlp, or choose sum or mean"
            )
        return self


class Profile(Entity):
    """What is known of a user beside the history: id and declared features."""

    use: bool = Field(description="whether the query tower has a profile at all")
