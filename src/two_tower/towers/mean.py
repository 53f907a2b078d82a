"""History encoder: the mean of the item vectors."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from two_tower.towers.base import PositionEncoder
from two_tower.towers.dropout import Dropout
from two_tower.towers.vectors import prefix_means
from two_tower.types import Tensor


@keras.saving.register_keras_serializable("two_tower")
class MeanUserTower(PositionEncoder):
    """ReLU layers over the mean of the item vectors up to each position.

    Args:
        dimension: D of the states.
        hidden_units: widths of the ReLU layers between the mean and the state.
        max_length: longest history of training, in items.
        dropout: dropout rate after each ReLU layer, in [0, 1).
        seed: seed of the dropout.

    References:
        Covington et al., Deep Neural Networks for YouTube Recommendations, RecSys
        2016, section 3.2.
    """

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
        dtype = self.dtype_policy.name
        self.hidden = [
            keras.layers.Dense(units, activation="relu", dtype=dtype)
            for units in self.hidden_units
        ]
        self.drops = [
            Dropout(dropout, seed=seed + depth, dtype=dtype)
            for depth in range(len(self.hidden_units))
        ]
        self.output_layer = keras.layers.Dense(dimension, dtype=dtype)

    def build(self, shape: tuple[int | None, ...]) -> None:
        width = shape[-1]
        for layer in [*self.hidden, self.output_layer]:
            layer.build((None, width))
            width = layer.units
        self.built = True

    def call(
        self, vectors: Tensor, is_real: Tensor, *, training: bool = False
    ) -> Tensor:
        """Return the state of each position.

        Args:
            vectors: `[B, T, D]` float, item vectors, oldest first, then padding.
            is_real: `[B, T]` bool, False for padding.
            training: whether dropout applies.

        Returns:
            `[B, T, D]` float; position t reads items 0 … t only.
        """
        means = prefix_means(vectors, is_real)
        batch, length = ops.shape(vectors)[0], ops.shape(vectors)[1]
        # Two dimensions: a product of [B, T, D] with [D, D] is many small ones.
        states = ops.reshape(means, (-1, vectors.shape[-1]))
        for layer, drop in zip(self.hidden, self.drops, strict=True):
            states = drop(layer(states), training=training)
        return ops.reshape(self.output_layer(states), (batch, length, self.dimension))
