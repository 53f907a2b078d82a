"""Dense layers between combined embeddings and an entity's vector."""

from collections.abc import Sequence
from typing import Any

import keras

from two_tower.towers.batch_norm import BatchNorm
from two_tower.towers.dropout import Dropout
from two_tower.types import Tensor


@keras.saving.register_keras_serializable("two_tower")
class Mlp(keras.layers.Layer):
    """ReLU layers, then a linear layer.

    With batch norm the order is: normalise, then for each hidden layer dense, ReLU,
    normalise, dropout, then dense. Without hidden units it is one linear layer.

    Args:
        hidden_units: widths of the ReLU layers.
        output: width of the linear layer.
        batch_norm: whether the input and each ReLU layer's output are normalised over
            the batch.
        dropout: dropout rate after each ReLU layer, in [0, 1).
        seed: seed of the dropout; layer n has `seed + n`.

    References:
        Ioffe & Szegedy, Batch Normalization, ICML 2015.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        output: int,
        *,
        batch_norm: bool,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = list(hidden_units)
        self.batch_norm = batch_norm
        self.dropout = dropout
        dtype, depths = self.dtype_policy.name, range(len(self.hidden_units))
        self.hidden = [
            keras.layers.Dense(units, activation="relu", dtype=dtype)
            for units in self.hidden_units
        ]
        self.drops = [Dropout(dropout, seed=seed + n, dtype=dtype) for n in depths]
        self.norms = [
            BatchNorm(dtype=dtype) for _ in range(len(depths) + 1 if batch_norm else 0)
        ]
        self.output_layer = keras.layers.Dense(output, dtype=dtype)

    def build(self, shape: tuple[int | None, ...]) -> None:
        widths = [shape[-1], *self.hidden_units]
        for norm, width in zip(self.norms, widths, strict=self.batch_norm):
            norm.build((None, width))
        layers = [*self.hidden, self.output_layer]
        for layer, width in zip(layers, widths, strict=True):
            layer.build((None, width))
        self.built = True

    def call(
        self, vectors: Tensor, *, training: bool = False, weights: Tensor | None = None
    ) -> Tensor:
        """Return `[N, output]` float.

        Args:
            vectors: `[N, width]` float.
            training: whether dropout applies, and batch norm uses the batch's
                statistics rather than their moving averages.
            weights: `[N]` float, weight of each row in the batch's statistics, 0 for
                padding; None for 1 each.
        """
        states = vectors
        if self.batch_norm:
            states = self.norms[0](states, training=training, weights=weights)
        for depth, layer in enumerate(self.hidden):
            states = layer(states)
            if self.batch_norm:
                states = self.norms[depth + 1](
                    states, training=training, weights=weights
                )
            states = self.drops[depth](states, training=training)
        return self.output_layer(states)
