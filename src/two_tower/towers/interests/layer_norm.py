"""A layer norm that can make vectors of length 1."""

from typing import Any

import keras
from keras import ops

from two_tower.types import Tensor

# Far under the variance of any real vector, yet keeps 1/√x finite at 0.
VARIANCE_FLOOR = 1e-8


def standardise(vectors: Tensor, *, to_unit: bool) -> Tensor:
    """Return vectors of mean 0 and variance 1 or, with `to_unit`, length 1.

    Args:
        vectors: `[..., D]` float.
        to_unit: whether to divide by √D.

    Returns:
        `[..., D]` float32: half precision has neither the mean nor the squares.
    """
    vectors = ops.cast(vectors, "float32")
    centred = vectors - ops.mean(vectors, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    scale = vectors.shape[-1] ** -0.5 if to_unit else 1.0
    return centred * ops.rsqrt(variance + VARIANCE_FLOOR) * scale


@keras.saving.register_keras_serializable("two_tower")
class LayerNorm(keras.layers.Layer):
    """Standardise each vector, then scale and shift it by learned vectors.

    Args:
        to_unit: whether a standardised vector has length 1 rather than √D.

    References:
        Ba et al., Layer Normalization, 2016.
    """

    def __init__(self, *, to_unit: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.to_unit = to_unit

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.gain, self.shift = (
            self.add_weight(
                name=name, shape=shape[-1:], initializer=start, autocast=False
            )
            for name, start in (("gain", "ones"), ("shift", "zeros"))
        )
        self.built = True

    def call(self, vectors: Tensor) -> Tensor:
        """Return `[..., D]` float of `[..., D]` float."""
        standard = standardise(vectors, to_unit=self.to_unit)
        return ops.cast(standard * self.gain + self.shift, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "to_unit": self.to_unit}
