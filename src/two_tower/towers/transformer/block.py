"""One transformer block: attention and feed-forward layers with residuals."""

from collections.abc import Mapping
from typing import Any, Final

import keras
from keras import ops

from two_tower.towers.dropout import Dropout
from two_tower.towers.transformer.attention import (
    PointwiseAttention,
    SoftmaxAttention,
)
from two_tower.towers.transformer.params import TransformerParams
from two_tower.towers.transformer.relative import Distances
from two_tower.types import FeedForwardKind, ResidualKind, Tensor

SEEDS_PER_BLOCK: Final = 4
"""Number of consecutive seeds that a block uses."""

ATTENTIONS = {"softmax": SoftmaxAttention, "pointwise": PointwiseAttention}


@keras.saving.register_keras_serializable("two_tower")
class FeedForward(keras.layers.Layer):
    """A wide layer with an activation, then a linear layer.

    `gelu` has biases. `swiglu` has none and multiplies the halves of its first layer,
    the first of them after SiLU.

    Args:
        dimension: D.
        kind: `gelu` or `swiglu`.
        factor: inner width, times D.
        dropout: dropout rate of inner units.
        seed: seed of the dropout.

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
        self.inner = round(factor * dimension)
        has_bias, dtype = kind == "gelu", self.dtype_policy.name
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
        """Return `[N, D]` float, the branch of `[N, D]` float states."""
        inner = self.into(states)
        if self.kind == "gelu":
            inner = ops.gelu(inner, approximate=False)
        else:
            first, second = ops.split(inner, 2, axis=1)
            inner = ops.silu(first) * second
        return self.out(self.drop(inner, training=training))


@keras.saving.register_keras_serializable("two_tower")
class Residual(keras.layers.Layer):
    """Residual connection: the states plus a branch, or plus a gated branch.

    The gate of state x is sigmoid(W x + b), one factor per coordinate.

    Args:
        dimension: D.
        kind: `sum` or `gated`.
        dropout: dropout rate of the branch's coordinates.
        seed: seed of the dropout.

    References:
        Borisyuk et al., From Features to Transformers: Redefining Ranking for Scalable
        Impact, 2025 (LiGR, gated).
    """

    def __init__(
        self,
        dimension: int,
        *,
        kind: ResidualKind,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        dtype = self.dtype_policy.name
        self.drop = Dropout(dropout, seed=seed, dtype=dtype)
        self.gate = (
            keras.layers.Dense(dimension, activation="sigmoid", dtype=dtype)
            if kind == "gated"
            else None
        )

    def build(self, _: Any = None) -> None:
        if self.gate is not None:
            self.gate.build((None, self.dimension))
        self.built = True

    def call(self, states: Tensor, branch: Tensor, *, training: bool = False) -> Tensor:
        """Return `[N, D]` float, `[N, D]` states plus their `[N, D]` branch."""
        branch = self.drop(branch, training=training)
        return states + (branch if self.gate is None else self.gate(states) * branch)


@keras.saving.register_keras_serializable("two_tower")
class SequenceBlock(keras.layers.Layer):
    """Pre-norm attention and, optionally, feed-forward layers, each with a residual.

    Args:
        dimension: D.
        options: `TransformerParams` or their fields.
        seed: first of the `SEEDS_PER_BLOCK` seeds of the dropouts.

    References:
        Xiong et al., On Layer Normalization in the Transformer Architecture, ICML
        2020 (pre-norm).
    """

    def __init__(
        self,
        dimension: int,
        *,
        options: TransformerParams | Mapping[str, Any],
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.options = TransformerParams.model_validate(options)
        self.seed = seed
        dtype, dropout = self.dtype_policy.name, self.options.dropout
        self.attention_norm = keras.layers.LayerNormalization(dtype=dtype)
        self.attention = ATTENTIONS[self.options.attention](
            dimension,
            n_heads=self.options.n_heads,
            head_width=self.options.head_width,
            by_position=self.options.relative_position,
            by_time=self.options.relative_time,
            dropout=dropout.attention,
            seed=seed,
            dtype=dtype,
        )
        self.attention_residual = self._new_residual(seed + 1)
        self.feed_forward = None
        if self.options.feed_forward is not None:
            self.feed_norm = keras.layers.LayerNormalization(dtype=dtype)
            self.feed_forward = FeedForward(
                dimension,
                **self.options.feed_forward.model_dump(),
                dropout=dropout.feed_forward,
                seed=seed + 2,
                dtype=dtype,
            )
            self.feed_residual = self._new_residual(seed + 3)

    def build(self, _: Any = None) -> None:
        shape = (None, self.dimension)
        self.attention_norm.build(shape)
        self.attention.build()
        self.attention_residual.build()
        if self.feed_forward is not None:
            self.feed_norm.build(shape)
            self.feed_forward.build()
            self.feed_residual.build()
        self.built = True

    def call(
        self, states: Tensor, *, distances: Distances, training: bool = False
    ) -> Tensor:
        """Return `[B·T, D]` float, the next states.

        Args:
            states: `[B·T, D]` float: flat, since dense layers are fastest on two
                dimensions; only attention separates the rows.
            distances: between the events of each history.
            training: whether dropout applies.
        """
        normal = self.attention_norm(states)
        read = self.attention(normal, distances=distances, training=training)
        states = self.attention_residual(states, read, training=training)
        if self.feed_forward is None:
            return states
        fed = self.feed_forward(self.feed_norm(states), training=training)
        return self.feed_residual(states, fed, training=training)

    def _new_residual(self, seed: int) -> Residual:
        return Residual(
            self.dimension,
            kind=self.options.residual,
            dropout=self.options.dropout.branch,
            seed=seed,
            dtype=self.dtype_policy.name,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "options": self.options.model_dump(),
            "seed": self.seed,
        }
