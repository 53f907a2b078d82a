"""Distances between events, in items and in time, as attention reads them."""

from dataclasses import dataclass
from typing import Any, Final

import keras
from keras import ops

from two_tower.towers.vectors import take_rows
from two_tower.types import Tensor

REQUEST_AGE: Final = 1
"""Age of the request itself: 0 seconds, plus 1 as in all ages."""

GAP_SCALE = 0.02

# Layout of a float32: 23 bits of mantissa below the exponent, which is 127 for 1.0.
MANTISSA_BITS, EXPONENT_OF_ONE = 23, 127

# Two buckets per doubling of seconds; int32 has 31. Bucket 0 is for unknown times.
TIME_BITS: Final = 1
N_TIME_BUCKETS: Final = (31 << TIME_BITS) + 2

# The first 15 distances have a bucket each, then each doubling has eight; distances of
# 4,095 items or more share the last one.
POSITION_BITS: Final = 3
N_POSITION_BUCKETS: Final = (12 << POSITION_BITS) + 1


def log_buckets(numbers: Tensor, *, bits: int) -> Tensor:
    """Return logarithmic buckets: `2^bits` for each doubling of `number + 1`.

    A bucket is the leading bits of a float32; the rounding of a logarithm would depend
    on the processor.

    Args:
        numbers: `[...]` int32, 0 or more.
        bits: number of mantissa bits in a bucket.

    Returns:
        `[...]` int32; the bucket of 0 is 0.
    """
    as_float = ops.cast(numbers, "float32") + 1.0
    # `view` needs a static size of the last dimension.
    as_bits = ops.squeeze(ops.view(ops.expand_dims(as_float, -1), "int32"), -1)
    leading = ops.right_shift(as_bits, MANTISSA_BITS - bits)
    return leading - (EXPONENT_OF_ONE << bits)


def position_buckets(length: int | Tensor) -> Tensor:
    """Return `[T, T]` int32, buckets of the distance from position t back to j.

    Later positions have bucket 0, which causal attention never reads.

    Args:
        length: T.
    """
    position = ops.arange(length, dtype="int32")
    distance = ops.expand_dims(position, 1) - ops.expand_dims(position, 0)
    buckets = log_buckets(ops.maximum(distance, 0), bits=POSITION_BITS)
    return ops.minimum(buckets, N_POSITION_BUCKETS - 1)


def time_buckets(older: Tensor, newer: Tensor) -> Tensor:
    """Return the buckets of the times between events, 0 if a time is unknown.

    Args:
        older: int32 ages in seconds plus 1, 0 if unknown.
        newer: int32 ages of later or simultaneous events, broadcast with `older`;
            negative time differences count as 0.

    Returns:
        int32 below `N_TIME_BUCKETS`, of the broadcast shape.
    """
    is_known = ops.logical_and(older > 0, newer > 0)
    seconds = ops.maximum(older - newer, 0)
    return ops.where(is_known, 1 + log_buckets(seconds, bits=TIME_BITS), 0)


def query_ages(ages: Tensor, is_real: Tensor, *, request_time: bool) -> Tensor:
    """Return the age of each position's query.

    Args:
        ages: `[B, T]` int32, seconds from event to request plus 1; 0 if unknown.
        is_real: `[B, T]` bool, False for padding, which follows the items.
        request_time: whether a position's query has the time of the next event, and
            the last one that of the request; otherwise of its own event.

    Returns:
        `[B, T]` int32; padding has no meaning.
    """
    if not request_time:
        return ages
    nothing = ops.zeros_like(ages[:, :1])
    next_ages = ops.concatenate([ages[:, 1:], nothing], axis=1)
    has_next = ops.concatenate([is_real[:, 1:], ops.cast(nothing, "bool")], axis=1)
    return ops.where(has_next, next_ages, REQUEST_AGE)


def relative_time_buckets(ages: Tensor, requested: Tensor) -> Tensor:
    """Return `[B, T, T]` int32, buckets of the time from event j to query t.

    Args:
        ages: `[B, T]` int32, ages of events.
        requested: `[B, T]` int32, `query_ages` of the positions.
    """
    return time_buckets(ops.expand_dims(ages, 1), ops.expand_dims(requested, 2))


@keras.saving.register_keras_serializable("two_tower")
class TimeGaps(keras.layers.Layer):
    """Embedding of the time between an event and the previous one.

    Args:
        dimension: D.
        request_time: whether an embedding of the time from the event to its
            position's query is added.
    """

    def __init__(self, dimension: int, *, request_time: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.request_time = request_time

    def build(self, _: Any = None) -> None:
        self.before = self._new_table("before")
        if self.request_time:
            self.after = self._new_table("after")
        self.built = True

    def call(self, ages: Tensor, requested: Tensor) -> Tensor:
        """Return `[B, T, D]` float, to be added to the item vectors.

        Args:
            ages: `[B, T]` int32, ages of events; 0 if unknown.
            requested: `[B, T]` int32, `query_ages` of the positions.
        """
        nothing = ops.zeros_like(ages[:, :1])
        previous = ops.concatenate([nothing, ages[:, :-1]], axis=1)
        gaps = self._vectors(self.before, time_buckets(previous, ages))
        if self.request_time:
            gaps = gaps + self._vectors(self.after, time_buckets(ages, requested))
        return gaps

    def _vectors(self, table: keras.Variable, buckets: Tensor) -> Tensor:
        return take_rows(table, buckets, dtype=self.compute_dtype)

    def _new_table(self, name: str) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(N_TIME_BUCKETS, self.dimension),
            initializer=keras.initializers.RandomNormal(stddev=GAP_SCALE),
            autocast=False,
        )


@dataclass(frozen=True, eq=False)  # no tuple: Keras mixes no tensors with others there
class Distances:
    """Distances between the events of histories whose states are flat, `[B·T, D]`.

    Attributes:
        batch: B.
        length: T.
        positions: `[T, T]` int32 `position_buckets`; None if they are not read.
        times: `[B, T, T]` int32 `relative_time_buckets`; None if they are not read.
    """

    batch: Any
    length: Any
    positions: Tensor | None
    times: Tensor | None


@keras.saving.register_keras_serializable("two_tower")
class AttentionBias(keras.layers.Layer):
    """Learned bias of each head's logits, by distance and by time, initially 0.

    Args:
        n_heads: H.
        by_position: whether there is a bias by distance in items.
        by_time: whether there is a bias by the time from event to query.

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

    def call(self, *, distances: Distances) -> Tensor:
        """Return `[H, B, T, T]` float32, or `[H, 1, T, T]` without `by_time`."""
        biases = []
        if self.by_position:
            by_position = ops.take(self.positions, distances.positions, axis=1)
            biases.append(by_position[:, None])
        if self.by_time:
            biases.append(ops.take(self.times, distances.times, axis=1))
        return sum(biases[1:], start=biases[0])

    def _new_table(self, name: str, n_buckets: int) -> keras.Variable:
        # Logits are float32 at any precision.
        return self.add_weight(
            name=name,
            shape=(self.n_heads, n_buckets),
            initializer="zeros",
            autocast=False,
        )
