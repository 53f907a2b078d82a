"""How the times of a history's events stand to each other."""

from typing import Any, Final

import keras
from keras import ops

from two_tower.towers.sequence.buckets import N_TIME_BUCKETS, time_buckets
from two_tower.towers.vectors import take_rows
from two_tower.types import Tensor

REQUEST_AGE: Final = 1
"""Age of the request itself: no second and 1, as all ages."""

GAP_SCALE = 0.02


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
