"""Options of the transformer history encoder."""

from typing import Self

from pydantic import Field, model_validator

from two_tower.params import Factor, Params, Size
from two_tower.types import FeedForwardKind, ResidualKind, SelfAttentionKind


class FeedForwardParams(Params):
    """Layers of a block that read one position at a time."""

    kind: FeedForwardKind = Field(
        description="GELU between two layers, or the product of two halves (SwiGLU)"
    )
    factor: Factor = Field(gt=0, description="inner width, times the dimension")


class DropoutParams(Params):
    """Dropout rates."""

    input: float = Field(ge=0, lt=1, description="of item vectors, with positions")
    attention: float = Field(ge=0, lt=1, description="of attention weights")
    feed_forward: float = Field(ge=0, lt=1, description="of inner units")
    branch: float = Field(ge=0, lt=1, description="of branches added to the states")
    times: float = Field(
        ge=0,
        lt=1,
        description="of histories whose times become unknown, if times are read, so "
        "that requests without times are served as well",
    )


class TransformerParams(Params):
    """Blocks of causal attention over the history."""

    n_blocks: int = Field(ge=1, le=1_000)
    n_heads: Size = Field(description="attention heads per block")
    head_width: Size | None = Field(
        description="width of a head; null: dimension / n_heads"
    )
    attention: SelfAttentionKind = Field(
        description="softmax over items, or independent weights per item (HSTU)"
    )
    residual: ResidualKind = Field(
        description="branches are added, or scaled by a gate and added (LiGR)"
    )
    feed_forward: FeedForwardParams | None = Field(description="null: attention alone")
    absolute_position: bool = Field(
        description="embed positions, counted from the newest item"
    )
    relative_position: bool = Field(
        description="attention bias by the number of items in between"
    )
    relative_time: bool = Field(
        description="attention bias by the time from event to query"
    )
    time_gap: bool = Field(
        description="embed the time since the previous event and, with request_time, "
        "until the next one"
    )
    request_time: bool = Field(
        description="times count from the request, in training and evaluation from "
        "the positive; otherwise from each position's own event"
    )
    dropout: DropoutParams

    @property
    def reads_events(self) -> bool:
        """Whether times of history items are read."""
        return self.relative_time or self.time_gap

    @model_validator(mode="after")
    def _request_time_is_read(self) -> Self:
        if self.request_time and not self.reads_events:
            raise ValueError(
                "request_time is true but relative_time and time_gap are both false, "
                "so that no time is read; set one of them to true, or it to false"
            )
        return self

    @model_validator(mode="after")
    def _dropout_has_inner_units(self) -> Self:
        if self.dropout.feed_forward and self.feed_forward is None:
            raise ValueError(
                f"dropout.feed_forward is {self.dropout.feed_forward} but feed_forward "
                "is null, whose inner units it drops; set it to 0, or give feed_forward"
            )
        return self
