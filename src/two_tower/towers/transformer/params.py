"""What a tower that reads histories in their order is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, get_args

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
