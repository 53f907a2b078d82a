"""Dropout of the times and ratings of whole histories."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from two_tower.towers.dropout import is_kept
from two_tower.types import Tensor


@keras.saving.register_keras_serializable("two_tower")
class EventDropout(keras.layers.Layer):
    """Replace the events of a share of the histories by unknown values in training.

    Every training history has times. A model that never reads a history without any
    would answer requests that consist of items alone with nonsense.

    Args:
        rate: share of the histories, in [0, 1).
        seed: seed of the random numbers.
    """

    def __init__(self, rate: float, *, seed: int, **kwargs: Any) -> None:
        # Half precision would move ratings to another bucket.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, _: Any = None) -> None:
        self.built = True

    def call(
        self, fields: Mapping[str, Tensor], *, training: bool = False
    ) -> dict[str, Tensor]:
        """Return the fields, with unknown values in the dropped histories.

        Args:
            fields: name → `[B, …]` of each history: integers, where 0 is unknown, or
                floats, where NaN is unknown.
            training: whether dropout applies.
        """
        if not training or self.rate == 0:
            return dict(fields)
        n_rows = ops.shape(next(iter(fields.values())))[0]
        kept = is_kept((n_rows,), self.seed_generator.next(), rate=self.rate)
        return {name: _keep(field, kept) for name, field in fields.items()}


def _keep(field: Tensor, kept: Tensor) -> Tensor:
    unknown = float("nan") if keras.backend.is_float_dtype(field.dtype) else 0
    kept = ops.reshape(kept, (-1, *[1] * (len(field.shape) - 1)))
    return ops.where(kept, field, ops.cast(unknown, field.dtype))
