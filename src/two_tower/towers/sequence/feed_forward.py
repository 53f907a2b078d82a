"""The layers of a block that look at one position alone."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.dropout import Dropout
from two_tower.types import FeedForwardKind, Tensor


@keras.saving.register_keras_serializable("two_tower")
class FeedForward(keras.layers.Layer):
    """Two layers with an activation between them, the first one wider.

    `gelu` has biases. `swiglu` has none, and multiplies two halves of its first layer,
    one of which has passed SiLU.

    Args:
        dimension: D.
        kind: `gelu` or `swiglu`.
        factor: the inner width, times D.
        dropout: share of inner units dropped.
        seed: of the dropout.

    References:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.3; Shazeer,
        GLU Variants Improve Transformer, 2020 (SwiGLU).
    """

    def __init__(
        self,
        dimension: int,
        *,
        kind: FeedForwardKind,
        factor: float,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.kind = kind
        self.factor = factor
        self.dropout = dropout
        self.seed = seed
        self.inner = round(factor * dimension)
        has_bias, dtype = kind == "gelu", self.dtype_policy
        n_halves = 1 if kind == "gelu" else 2
        self.into = keras.layers.Dense(
            n_halves * self.inner, use_bias=has_bias, dtype=dtype
        )
        self.drop = Dropout(dropout, seed=seed, dtype=dtype)
        self.out = keras.layers.Dense(dimension, use_bias=has_bias, dtype=dtype)

    def build(self, _: Any = None) -> None:
        self.into.build((None, self.dimension))
        self.out.build((None, self.inner))
        self.built = True

    def call(self, states: Tensor, *, training: bool = False) -> Tensor:
        """Return `[N, D]` float of `[N, D]` states."""
        inner = self.into(states)
        if self.kind == "gelu":
            inner = ops.gelu(inner, approximate=False)
        else:
            first, second = ops.split(inner, 2, axis=1)
            inner = ops.silu(first) * second
        return self.out(self.drop(inner, training=training))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "kind": self.kind,
            "factor": self.factor,
            "dropout": self.dropout,
            "seed": self.seed,
        }
