"""How much each item of a history counts, by what is asked for."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.interests.initializers import dense
from two_tower.towers.interests.weighted_softmax import weighted_softmax
from two_tower.types import Tensor


def mean_of_real(probabilities: Tensor, is_known: Tensor, is_real: Tensor) -> Tensor:
    """Return the mean of the known queries' p(item); of no queries, the even one.

    Args:
        probabilities: `[B, Q, T]` float32.
        is_known: `[B, Q]` bool.
        is_real: `[B, T]` bool.

    Returns:
        `[B, T]` float32.
    """
    known, real = ops.cast(is_known, "float32"), ops.cast(is_real, "float32")
    n_known = ops.sum(known, axis=-1, keepdims=True)
    total = ops.sum(probabilities * ops.expand_dims(known, -1), axis=1)
    even = real / ops.maximum(ops.sum(real, axis=-1, keepdims=True), 1.0)
    return ops.where(n_known > 0, total / ops.maximum(n_known, 1.0), even)


@keras.saving.register_keras_serializable("two_tower")
class QueryAttention(keras.layers.Layer):
    """p(item) = mean over queries q of softmax over a history of q·item / τ.

    Items have the lengths that they come with.

    Args:
        dimension: D.
        temperature: τ, above 0.
        transform: whether q + FC(q) asks in place of q.

    Raises:
        ValueError: if τ is not above 0.
    """

    def __init__(
        self, dimension: int, *, temperature: float, transform: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not temperature > 0:
            raise ValueError(
                f"the temperature of attention is {temperature}; give one above 0"
            )
        self.dimension = dimension
        self.temperature = temperature
        self.transform = transform
        if transform:
            self.change = dense(dimension, "change", self.dtype_policy)

    def build(self, _: Any = None) -> None:
        if self.transform:
            self.change.build((None, self.dimension))
        self.built = True

    def call(
        self, vectors: Tensor, queries: Tensor, is_real: Tensor, is_known: Tensor
    ) -> Tensor:
        """Return how much each item counts.

        Args:
            vectors: `[B, T, D]` float, the items' vectors.
            queries: `[B, Q, D]` float.
            is_real: `[B, T]` bool, False for the padding behind each history.
            is_known: `[B, Q]` bool, False for a query that doesn't ask.

        Returns:
            `[B, T]` float32, of sum 1 in each row that has a real item; padding has 0.
        """
        if self.transform:
            flat = ops.reshape(queries, (-1, self.dimension))
            queries = queries + ops.reshape(self.change(flat), ops.shape(queries))
        logits = ops.matmul(queries, ops.transpose(vectors, (0, 2, 1)))
        real = ops.expand_dims(ops.cast(is_real, "float32"), 1)
        probabilities = weighted_softmax(
            ops.cast(logits, "float32") / self.temperature, real, axis=-1
        )
        return mean_of_real(probabilities, is_known, is_real)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "temperature": self.temperature,
            "transform": self.transform,
        }
