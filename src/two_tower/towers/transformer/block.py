"""One block of a tower that reads histories in their order."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import keras
from keras import ops

from two_tower.towers.dropout import Dropout
from two_tower.towers.transformer.attention import (
    PointwiseAttention,
    SoftmaxAttention,
)
from two_tower.towers.transformer.params import SequenceOptions
from two_tower.towers.transformer.relative import Places
from two_tower.types import FeedForwardKind, ResidualKind, Tensor

SEEDS_OF_A_BLOCK: Final = 4
"""How many seeds a block takes, from its own one on."""

ATTENTIONS = {"softmax": SoftmaxAttention, "pointwise": PointwiseAttention}


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


@keras.saving.register_keras_serializable("two_tower")
class Residual(keras.layers.Layer):
    """Add a branch to the states, or what a gate lets through of it.

    The gate of a state x is sigmoid(W x + b), a share for each of its D numbers.

    Args:
        dimension: D.
        kind: `sum` or `gated`.
        dropout: share of the branch's numbers dropped.
        seed: of the dropout.

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
        self.kind = kind
        self.dropout = dropout
        self.seed = seed
        self.drop = Dropout(dropout, seed=seed, dtype=self.dtype_policy)
        self.gate = (
            keras.layers.Dense(dimension, activation="sigmoid", dtype=self.dtype_policy)
            if kind == "gated"
            else None
        )

    def build(self, _: Any = None) -> None:
        if self.gate is not None:
            self.gate.build((None, self.dimension))
        self.built = True

    def call(self, states: Tensor, branch: Tensor, *, training: bool = False) -> Tensor:
        """Return `[N, D]` float of `[N, D]` states and what is added to them."""
        branch = self.drop(branch, training=training)
        return states + (branch if self.gate is None else self.gate(states) * branch)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "kind": self.kind,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("two_tower")
class SequenceBlock(keras.layers.Layer):
    """Attention and maybe feed-forward layers, each normalised first and added back.

    Args:
        dimension: D.
        options: `SequenceOptions`, or their fields.
        seed: of the dropout, with the next three.

    References:
        Xiong et al., On Layer Normalization in the Transformer Architecture, ICML
        2020 (pre-norm).
    """

    def __init__(
        self,
        dimension: int,
        *,
        options: SequenceOptions | Mapping[str, Any],
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.options = SequenceOptions.of(options)
        self.seed = seed
        dtype, dropout = self.dtype_policy, self.options.dropout
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
                **asdict(self.options.feed_forward),
                dropout=dropout.feed_forward,
                seed=seed + 2,
                dtype=dtype,
            )
            self.feed_residual = self._new_residual(seed + 3)

    def build(self, _: Any = None) -> None:
        slots = (None, self.dimension)
        self.attention_norm.build(slots)
        self.attention.build()
        self.attention_residual.build()
        if self.feed_forward is not None:
            self.feed_norm.build(slots)
            self.feed_forward.build()
            self.feed_residual.build()
        self.built = True

    def call(self, states: Tensor, *, places: Places, training: bool = False) -> Tensor:
        """Return the next states.

        Args:
            states: `[B·T, D]` float: flat, since dense layers are fastest on two
                dimensions; only attention needs the rows apart.
            places: how they stand to each other.
            training: whether to drop.

        Returns:
            `[B·T, D]` float.
        """
        normal = self.attention_norm(states)
        read = self.attention(normal, places=places, training=training)
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
            dtype=self.dtype_policy,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "options": asdict(self.options),
            "seed": self.seed,
        }
