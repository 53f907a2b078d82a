"""Events seen in the light of a request."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.interests.initializers import dense
from two_tower.types import Tensor


def co_act(keys: Tensor, matrices: Tensor) -> Tensor:
    """Return tanh(k + tanh(k) · Q).

    Args:
        keys: `[B, T, D]` float, k.
        matrices: `[B, D, D]` float, Q of each row.

    Returns:
        `[B, T, D]` float.
    """
    return ops.tanh(keys + ops.matmul(ops.tanh(keys), matrices))


@keras.saving.register_keras_serializable("two_tower")
class CoAction(keras.layers.Layer):
    """Pass each event's key through a layer whose weights the request makes.

    Args:
        dimension: D.

    References:
        Bian et al., CAN: Feature Co-Action Network for Click-Through Rate Prediction,
        WSDM 2022, section 3.2.
    """

    def __init__(self, dimension: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.of_key = dense(dimension, "of_key", self.dtype_policy)
        self.of_query = dense(dimension**2, "of_query", self.dtype_policy)

    def build(
        self, keys_shape: tuple[int | None, ...], query_shape: tuple[int | None, ...]
    ) -> None:
        self.of_key.build((None, keys_shape[-1]))
        self.of_query.build((None, query_shape[-1]))
        self.built = True

    def call(self, keys: Tensor, query: Tensor) -> Tensor:
        """Return the events' contexts.

        Args:
            keys: `[B, T, K]` float, what is known of each event.
            query: `[B, L]` float, what is known of each row's request.

        Returns:
            `[B, T, D]` float.
        """
        batch, length = ops.shape(keys)[0], ops.shape(keys)[1]
        flat = self.of_key(ops.reshape(keys, (-1, keys.shape[-1])))
        matrices = ops.reshape(
            self.of_query(query), (batch, self.dimension, self.dimension)
        )
        return co_act(ops.reshape(flat, (batch, length, self.dimension)), matrices)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dimension": self.dimension}
