"""What a tower that reads histories in their order is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, get_args

from pydantic import Field, PositiveInt, model_validator

from two_tower.params import Params
from two_tower.towers.params import HistoryParams, HistoryShape
from two_tower.types import FeedForwardKind, ResidualKind, SelfAttentionKind


@dataclass(frozen=True)
class FeedForwardOptions:
    """The layers of a block behind its attention; see `FeedForward`.

    Attributes:
        kind: `gelu` or `swiglu`.
        factor: their inner width, times D.
    """

    kind: FeedForwardKind
    factor: float

    def __post_init__(self) -> None:
        _check("feed_forward.kind", self.kind, get_args(FeedForwardKind))


@dataclass(frozen=True)
class DropoutOptions:
    """The shares that are dropped in training, each in [0, 1).

    Attributes:
        input: of the numbers of an item's vector, with position and time.
        attention: of the attention's weights.
        feed_forward: of the inner units of feed-forward layers.
        branch: of what attention and feed-forward layers add to the states.
        times: of the histories that are read as if no time were known, as those of
            requests without times are; see `HiddenEvents`.
    """

    input: float
    attention: float
    feed_forward: float
    branch: float
    times: float


@dataclass(frozen=True)
class SequenceOptions:
    """How a history is read; those who make batches look at `request_time`.

    Attributes:
        n_blocks: attention blocks.
        n_heads: attention heads in each.
        head_width: of a head's queries, keys and values; None for D / `n_heads`.
        attention: `softmax` for `SoftmaxAttention`, `pointwise` for
            `PointwiseAttention`.
        residual: `sum` adds a branch to the states, `gated` a share of it; see
            `Residual`.
        feed_forward: the layers behind the attention, or their fields; None for none.
        absolute_position: whether positions, counted from the newest, are embedded.
        relative_position: whether attention looks at how far back an item stands.
        relative_time: whether it looks at how long ago an event was.
        time_gap: whether the time between events is embedded.
        request_time: whether times are seen from the request, or, in training, from
            the event that is asked for; otherwise from a position's own event.
        dropout: `DropoutOptions`, or their fields.
    """

    n_blocks: int
    n_heads: int
    head_width: int | None
    attention: SelfAttentionKind
    residual: ResidualKind
    feed_forward: FeedForwardOptions | None
    absolute_position: bool
    relative_position: bool
    relative_time: bool
    time_gap: bool
    request_time: bool
    dropout: DropoutOptions

    def __post_init__(self) -> None:
        _check("attention", self.attention, get_args(SelfAttentionKind))
        _check("residual", self.residual, get_args(ResidualKind))

    @classmethod
    def of(cls, given: Self | Mapping[str, Any]) -> Self:
        """Return options that are given as such or by name."""
        if not isinstance(given, Mapping):
            return given
        fields = dict(given)
        fed = fields["feed_forward"]
        fields["feed_forward"] = None if fed is None else FeedForwardOptions(**fed)
        fields["dropout"] = DropoutOptions(**fields["dropout"])
        return cls(**fields)

    @property
    def reads_times(self) -> bool:
        """Whether any option looks at when events were."""
        return self.relative_time or self.time_gap


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(allowed)}")


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


class TransformerParams(HistoryParams):
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

    separate_items: ClassVar[bool] = True

    def build(self, shape: HistoryShape) -> Any:
        from two_tower.towers.transformer.tower import TransformerUserTower

        return TransformerUserTower(
            shape.dimension,
            options=self.model_dump(),
            max_length=shape.max_length,
            seed=shape.seed,
            dtype=shape.dtype,
        )

    @property
    def reads_events(self) -> bool:
        return self.reads_times

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
