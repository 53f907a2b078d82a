"""What attention knows of two events beside what they are."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from two_tower.towers.sequence.buckets import N_POSITION_BUCKETS, N_TIME_BUCKETS
from two_tower.types import Tensor


@dataclass(frozen=True, eq=False)  # no tuple: Keras mixes no tensors with others there
class Places:
    """How the states of a batch, flat as `[B·T, D]`, stand to each other.

    Attributes:
        batch: B.
        length: T.
        positions: `[T, T]` int32, as of `position_buckets`; None if nobody asks.
        times: `[B, T, T]` int32, as of `relative_time_buckets`; None if nobody asks.
    """

    batch: Any
    length: Any
    positions: Tensor | None
    times: Tensor | None


@keras.saving.register_keras_serializable("two_tower")
class AttentionBias(keras.layers.Layer):
    """Learn what each head adds to its logits by distance, and by time.

    Everything begins at 0: attention as if there were no bias.

    Args:
        n_heads: H.
        by_position: whether by how many items lie between.
        by_time: whether by the time from event to query.

    References:
        Raffel et al., Exploring the Limits of Transfer Learning with a Unified
        Text-to-Text Transformer, JMLR 2020 (bucketed distances); Zhai et al., Actions
        Speak Louder than Words, ICML 2024 (time).
    """

    def __init__(
        self, n_heads: int, *, by_position: bool, by_time: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_heads = n_heads
        self.by_position = by_position
        self.by_time = by_time

    def build(self, _: Any = None) -> None:
        if self.by_position:
            self.positions = self._new_table("positions", N_POSITION_BUCKETS)
        if self.by_time:
            self.times = self._new_table("times", N_TIME_BUCKETS)
        self.built = True

    def call(self, *, places: Places) -> Tensor:
        """Return `[H, B, T, T]` float32, or `[H, 1, T, T]` if times have no say."""
        found = []
        if self.by_position:
            found.append(ops.take(self.positions, places.positions, axis=1)[:, None])
        if self.by_time:
            found.append(ops.take(self.times, places.times, axis=1))
        return sum(found[1:], start=found[0])

    def _new_table(self, name: str, n_buckets: int) -> keras.Variable:
        # Logits are float32, whatever the precision of the rest.
        return self.add_weight(
            name=name,
            shape=(self.n_heads, n_buckets),
            initializer="zeros",
            autocast=False,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_heads": self.n_heads,
            "by_position": self.by_position,
            "by_time": self.by_time,
        }
