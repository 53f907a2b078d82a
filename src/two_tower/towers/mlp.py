"""Layers between what is known of an entity and its vector."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras

from two_tower.towers.batch_norm import BatchNorm
from two_tower.towers.dropout import Dropout
from two_tower.types import Tensor


@keras.saving.register_keras_serializable("two_tower")
class Mlp(keras.layers.Layer):
    """ReLU layers with a linear layer behind them.

    With batch norm: normalise, then dense, ReLU, normalise, drop for each hidden layer,
    then dense. Without hidden units it is one linear layer.

    Args:
        hidden_units: widths of the ReLU layers; one number for one layer.
        output: width of the linear layer at the end.
        batch_norm: whether the input and each ReLU layer's output are normalised over
            the batch.
        dropout: share of each ReLU layer's units dropped while training, in [0, 1).
        seed: of the dropout; each layer adds its depth.

    References:
        Ioffe & Szegedy, Batch Normalization, ICML 2015.
    """

    def __init__(
        self,
        hidden_units: int | Sequence[int],
        output: int,
        *,
        batch_norm: bool,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = (
            [hidden_units] if isinstance(hidden_units, int) else list(hidden_units)
        )
        self.output_units = output
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.seed = seed
        dense = partial(keras.layers.Dense, dtype=self.dtype_policy)
        self.hidden = [dense(units, activation="relu") for units in self.hidden_units]
        self.drops = [
            Dropout(dropout, seed=seed + depth, dtype=self.dtype_policy)
            for depth in range(len(self.hidden_units))
        ]
        self.norms = [
            BatchNorm(dtype=self.dtype_policy)
            for _ in range(len(self.hidden_units) + 1 if batch_norm else 0)
        ]
        self.output_layer = dense(output)

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
        """Return `[N, output]` float of `[N, width]` float.

        Args:
            vectors: `[N, width]` float.
            training: whether to drop, and to normalise over the batch rather than by
                the averages of training.
            weights: `[N]` float, how many rows each one stands for in the batch's
                statistics, 0 for padding; None for one each.
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

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "output": self.output_units,
            "batch_norm": self.batch_norm,
            "dropout": self.dropout,
            "seed": self.seed,
        }
