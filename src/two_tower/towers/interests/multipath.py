"""A linear layer for each of V vectors."""

from typing import Any

import keras
from keras import ops

from two_tower.types import Tensor


@keras.saving.register_keras_serializable("two_tower")
class MultipathDense(keras.layers.Layer):
    """Multiply the vector of each path by a matrix of its own.

    Args:
        n_paths: V.
        output: D', width of what comes out; None for that of what goes in.
        use_bias: whether each path adds a bias of its own.
    """

    def __init__(
        self, n_paths: int, *, output: int | None, use_bias: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_paths = n_paths
        self.output_units = output
        self.use_bias = use_bias

    def build(self, shape: tuple[int | None, ...]) -> None:
        width = shape[-1]
        units = self.output_units or width
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.n_paths, width, units),
            initializer=_glorot_of_each_path,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.n_paths, units), initializer="zeros"
            )
        self.built = True

    def call(self, vectors: Tensor) -> Tensor:
        """Return `[B, V, D']` float of `[B, V, D]` float, path by path."""
        by_path = ops.matmul(ops.transpose(vectors, (1, 0, 2)), self.kernel)
        paths = ops.transpose(by_path, (1, 0, 2))
        return paths + self.bias if self.use_bias else paths

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_paths": self.n_paths,
            "output": self.output_units,
            "use_bias": self.use_bias,
        }


def _glorot_of_each_path(shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
    """Return Glorot-normal matrices, each by its own fans and draws.

    Keras would count the paths among the fans, so that many of them started small.
    """
    return ops.stack(
        [keras.initializers.GlorotNormal()(shape[1:], dtype) for _ in range(shape[0])]
    )
