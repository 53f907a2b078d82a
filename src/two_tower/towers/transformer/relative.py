"""What attention knows of two events beside what they are."""

from dataclasses import dataclass
from typing import Any, Final

import keras
from keras import ops

from two_tower.towers.vectors import take_rows
from two_tower.types import Tensor

REQUEST_AGE: Final = 1
"""Age of the request itself: no second and 1, as all ages."""

GAP_SCALE = 0.02

# A float32 has its exponent above 23 bits of mantissa; 1.0 has the exponent 127.
MANTISSA_BITS, EXPONENT_OF_ONE = 23, 127

# Two buckets while seconds double; int32 has 31 doublings. Bucket 0 is for the unknown.
TIME_BITS: Final = 1
N_TIME_BUCKETS: Final = (31 << TIME_BITS) + 2

# Each of the first 15 distances has a bucket; then eight share out each doubling, and
# what is 4,095 items away or more shares the last one.
POSITION_BITS: Final = 3
N_POSITION_BUCKETS: Final = (12 << POSITION_BITS) + 1


def log_buckets(numbers: Tensor, *, bits: int) -> Tensor:
    """Return rising buckets, `2^bits` of them while `number + 1` doubles.

    They are the leading bits of the number as a float32, so that no logarithm's last
    digit moves a number from one bucket to the next.

    Args:
        numbers: int32 of any shape, 0 or more.
        bits: how many of the mantissa count.

    Returns:
        int32 of the same shape; 0 is in bucket 0.
    """
    as_float = ops.cast(numbers, "float32") + 1.0
    # To see them as integers, the last dimension's size must be known.
    as_bits = ops.squeeze(ops.view(ops.expand_dims(as_float, -1), "int32"), -1)
    leading = ops.right_shift(as_bits, MANTISSA_BITS - bits)
    return leading - (EXPONENT_OF_ONE << bits)


def position_buckets(length: int | Tensor) -> Tensor:
    """Return `[T, T]` int32, the bucket of how far position t is behind position j.

    Distances to later positions are in bucket 0; nobody reads them.

    Args:
        length: T.
    """
    position = ops.arange(length, dtype="int32")
    distance = ops.expand_dims(position, 1) - ops.expand_dims(position, 0)
    buckets = log_buckets(ops.maximum(distance, 0), bits=POSITION_BITS)
    return ops.minimum(buckets, N_POSITION_BUCKETS - 1)


def time_buckets(older: Tensor, newer: Tensor) -> Tensor:
    """Return the bucket of the time between events, 0 where one's time is unknown.

    Args:
        older: int32 ages in seconds and 1, 0 where unknown.
        newer: likewise, of a shape that broadcasts with it; of events that are newer
            or as old. Older ones count as equally old.

    Returns:
        int32 below `N_TIME_BUCKETS`, of the shape of both.
    """
    is_known = ops.logical_and(older > 0, newer > 0)
    seconds = ops.maximum(older - newer, 0)
    return ops.where(is_known, 1 + log_buckets(seconds, bits=TIME_BITS), 0)


def query_ages(ages: Tensor, is_real: Tensor, *, request_time: bool) -> Tensor:
    """Return the age of each position's query.

    Args:
        ages: `[B, T]` int32, seconds from event to request and 1; 0 where unknown.
        is_real: `[B, T]` bool, False for padding, which stands behind.
        request_time: whether a position asks at the time of the event that comes next,
            and the last one at the request's; otherwise at its own event's time.

    Returns:
        `[B, T]` int32, of padding without meaning.
    """
    if not request_time:
        return ages
    nothing = ops.zeros_like(ages[:, :1])
    next_ages = ops.concatenate([ages[:, 1:], nothing], axis=1)
    has_next = ops.concatenate([is_real[:, 1:], ops.cast(nothing, "bool")], axis=1)
    return ops.where(has_next, next_ages, REQUEST_AGE)


def relative_time_buckets(ages: Tensor, asked: Tensor) -> Tensor:
    """Return `[B, T, T]` int32, the bucket of the time from event j to query t.

    Args:
        ages: `[B, T]` int32, of events.
        asked: `[B, T]` int32, of queries, as of `query_ages`.
    """
    return time_buckets(ops.expand_dims(ages, 1), ops.expand_dims(asked, 2))


@keras.saving.register_keras_serializable("two_tower")
class TimeGaps(keras.layers.Layer):
    """Embed the time between an event and the one before it.

    Args:
        dimension: D.
        request_time: whether the time from the event to its position's query is
            embedded too, and added.
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

    def call(self, ages: Tensor, asked: Tensor) -> Tensor:
        """Return `[B, T, D]` float, what to add to each event's vector.

        Args:
            ages: `[B, T]` int32, of events; 0 where unknown.
            asked: `[B, T]` int32, of queries, as of `query_ages`.
        """
        nothing = ops.zeros_like(ages[:, :1])
        previous = ops.concatenate([nothing, ages[:, :-1]], axis=1)
        gaps = self._vectors(self.before, time_buckets(previous, ages))
        if self.request_time:
            gaps = gaps + self._vectors(self.after, time_buckets(ages, asked))
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

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "request_time": self.request_time,
        }


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
