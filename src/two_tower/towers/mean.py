"""The user tower that averages a history."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from two_tower.towers.dropout import Dropout
from two_tower.towers.vectors import prefix_means
from two_tower.types import Tensor


@keras.saving.register_keras_serializable("two_tower")
class MeanUserTower(keras.layers.Layer):
    """Average the vectors of a history, then pass the mean through ReLU layers.

    Args:
        dimension: D of the user's vector.
        hidden_units: widths of the ReLU layers between the mean and the vector.
        max_length: the longest history in training; of longer ones the newest items
            are to be given.
        dropout: share of units dropped after each ReLU layer, in [0, 1).
        seed: of the dropout.

    References:
        Covington et al., Deep Neural Networks for YouTube Recommendations, RecSys
        2016, section 3.2.
    """

    reads_events: ClassVar[bool] = False
    query_per_position: ClassVar[bool] = True

    def __init__(
        self,
        dimension: int,
        *,
        hidden_units: Sequence[int],
        max_length: int,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.hidden_units = list(hidden_units)
        self.max_length = max_length
        self.dropout = dropout
        self.seed = seed
        self.hidden = [
            keras.layers.Dense(units, activation="relu", dtype=self.dtype_policy)
            for units in self.hidden_units
        ]
        self.drops = [
            Dropout(dropout, seed=seed + depth, dtype=self.dtype_policy)
            for depth in range(len(self.hidden_units))
        ]
        self.output_layer = keras.layers.Dense(dimension, dtype=self.dtype_policy)

    def build(self, shape: tuple[int | None, ...]) -> None:
        width = shape[-1]
        for layer in [*self.hidden, self.output_layer]:
            layer.build((None, width))
            width = layer.units
        self.built = True

    def call(
        self, vectors: Tensor, is_real: Tensor, *, training: bool = False
    ) -> Tensor:
        """Return the user as of each position of the history.

        Args:
            vectors: `[B, T, D]` float, the items' vectors, oldest first.
            is_real: `[B, T]` bool, False for padding.
            training: whether units are dropped.

        Returns:
            `[B, T, D]` float; position t has seen items 0 … t only.
        """
        means = prefix_means(vectors, is_real)
        batch, length = ops.shape(vectors)[0], ops.shape(vectors)[1]
        # Two dimensions: a product of [B, T, D] with [D, D] is many small ones.
        states = ops.reshape(means, (-1, vectors.shape[-1]))
        for layer, drop in zip(self.hidden, self.drops, strict=True):
            states = drop(layer(states), training=training)
        return ops.reshape(self.output_layer(states), (batch, length, self.dimension))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "hidden_units": self.hidden_units,
            "max_length": self.max_length,
            "dropout": self.dropout,
            "seed": self.seed,
        }
