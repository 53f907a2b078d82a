"""What training hides of the events of histories."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from two_tower.towers.dropout import is_kept
from two_tower.types import Tensor


@keras.saving.register_keras_serializable("two_tower")
class HiddenEvents(keras.layers.Layer):
    """Hide, in training, what is known of the events of some histories.

    All that is trained on has times. A tower that never met a history without any
    would answer a request that knows nothing but items with nonsense.

    Args:
        rate: share of the histories, in [0, 1).
        seed: of the draws.
    """

    def __init__(self, rate: float, *, seed: int, **kwargs: Any) -> None:
        # Ratings in half precision would move over the edges between them.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, _: Any = None) -> None:
        self.built = True

    def call(
        self, fields: Mapping[str, Tensor], *, training: bool = False
    ) -> dict[str, Tensor]:
        """Return the fields, of hidden histories as if nothing were known.

        Args:
            fields: of each history, `[B, …]`: integers, of which 0 is unknown, or
                floats, of which NaN is.
            training: whether to hide.
        """
        if not training or self.rate == 0:
            return dict(fields)
        n_rows = ops.shape(next(iter(fields.values())))[0]
        kept = is_kept((n_rows,), self.seed_generator.next(), rate=self.rate)
        return {name: _keep(field, kept) for name, field in fields.items()}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def _keep(field: Tensor, kept: Tensor) -> Tensor:
    unknown = float("nan") if keras.backend.is_float_dtype(field.dtype) else 0
    kept = ops.reshape(kept, (-1, *[1] * (len(field.shape) - 1)))
    return ops.where(kept, field, ops.cast(unknown, field.dtype))
