"""Causal attention: each position reads itself and earlier positions."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from two_tower.towers.dropout import Dropout
from two_tower.towers.transformer.relative import AttentionBias, Distances
from two_tower.types import MASKED_LOGIT, Tensor

# Epsilon of the norm after pointwise attention, whose inputs are small.
SMALL_EPSILON = 1e-6


def softmax_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    bias: Tensor | None,
    drop: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return causal softmax attention.

    Args:
        queries: `[H, B, T, W]` float.
        keys: `[H, B, T, W]` float.
        values: `[H, B, T, W]` float.
        bias: float32, broadcasts to `[H, B, T, T]`, added to the logits; or None.
        drop: dropout of the weights.

    Returns:
        `[H, B, T, W]` float.

    References:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.1.
    """
    scale = queries.shape[-1] ** -0.5
    logits = _logits(queries * scale, keys, bias)
    logits = ops.where(_is_past(logits), logits, MASKED_LOGIT)
    weights = ops.cast(ops.softmax(logits), values.dtype)
    return ops.matmul(drop(weights), values)


def pointwise_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    bias: Tensor | None,
    drop: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return causal pointwise attention, whose weights are SiLU of the logits.

    Unlike softmax weights they do not compete. Position t divides by its t + 1 items,
    so that padding has no effect.

    Args:
        queries: `[H, B, T, W]` float.
        keys: `[H, B, T, W]` float.
        values: `[H, B, T, W]` float.
        bias: float32, broadcasts to `[H, B, T, T]`, added to the logits; or None.
        drop: dropout of the weights.

    Returns:
        `[H, B, T, W]` float.

    References:
        Zhai et al., Actions Speak Louder than Words: Trillion-Parameter Sequential
        Transducers for Generative Recommendations, ICML 2024, equation 2.
    """
    logits = _logits(queries, keys, bias)
    weights = ops.where(_is_past(logits), ops.silu(logits), 0.0)
    n_read = ops.arange(1, ops.shape(logits)[-1] + 1, dtype="float32")
    weights = weights / ops.expand_dims(n_read, 1)
    return ops.matmul(drop(ops.cast(weights, values.dtype)), values)


def _logits(queries: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
    logits = ops.matmul(queries, ops.swapaxes(keys, -1, -2))
    logits = ops.cast(logits, "float32")
    return logits if bias is None else logits + bias


def _is_past(logits: Tensor) -> Tensor:
    """Return `[T, T]` bool, whether position t may read position j."""
    position = ops.arange(ops.shape(logits)[-1], dtype="int32")
    return ops.expand_dims(position, 1) >= ops.expand_dims(position, 0)


class _Attention(keras.layers.Layer):
    """Base of both kinds: heads, bias, dropout and output projection."""

    n_projections: int

    def __init__(  # noqa: PLR0913 (sizes, biases and dropout)
        self,
        dimension: int,
        *,
        n_heads: int,
        head_width: int | None,
        by_position: bool,
        by_time: bool,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.n_heads = n_heads
        self.width = head_width or dimension // n_heads
        inner, dtype = n_heads * self.width, self.dtype_policy.name
        self.projections = keras.layers.Dense(
            self.n_projections * inner, use_bias=False, dtype=dtype
        )
        self.drop = Dropout(dropout, seed=seed, dtype=dtype)
        self.output_projection = keras.layers.Dense(
            dimension, use_bias=False, dtype=dtype
        )
        self.bias = (
            AttentionBias(
                n_heads, by_position=by_position, by_time=by_time, dtype=dtype
            )
            if by_position or by_time
            else None
        )

    def build(self, _: Any = None) -> None:
        self.projections.build((None, self.dimension))
        self.output_projection.build((None, self.n_heads * self.width))
        if self.bias is not None:
            self.bias.build()
        self.built = True

    @abstractmethod
    def call(
        self, states: Tensor, *, distances: Distances, training: bool = False
    ) -> Tensor:
        """Return `[B·T, D]` float, the output of each position.

        Args:
            states: `[B·T, D]` float.
            distances: between the events of each history.
            training: whether dropout applies.
        """

    def _bias(self, distances: Distances) -> Tensor | None:
        return None if self.bias is None else self.bias(distances=distances)

    def _heads(self, mixed: Tensor, distances: Distances, n_parts: int) -> list[Tensor]:
        """Split `[B·T, n·H·W]` into n parts `[H, B, T, W]`."""
        shape = (distances.batch, distances.length, n_parts, self.n_heads, self.width)
        parts = ops.transpose(ops.reshape(mixed, shape), (2, 3, 0, 1, 4))
        # Unstacked at once: the gradient of indexing is as large as all parts.
        return list(ops.unstack(parts, n_parts))

    def _flat(self, read: Tensor, distances: Distances) -> Tensor:
        """Join heads `[H, B, T, W]` to `[B·T, H·W]`."""
        shape = (distances.batch * distances.length, self.n_heads * self.width)
        return ops.reshape(ops.transpose(read, (1, 2, 0, 3)), shape)


@keras.saving.register_keras_serializable("two_tower")
class SoftmaxAttention(_Attention):
    """Multi-head causal softmax attention with an output projection.

    Args:
        dimension: D, a multiple of `n_heads` unless there is a `head_width`.
        n_heads: H.
        head_width: W; None for D / H.
        by_position: whether logits have a bias by distance; see `AttentionBias`.
        by_time: whether logits have a bias by time.
        dropout: dropout rate of the weights.
        seed: seed of the dropout.
    """

    n_projections = 3

    def call(
        self, states: Tensor, *, distances: Distances, training: bool = False
    ) -> Tensor:
        mixed = self.projections(states)
        read = softmax_attention(
            *self._heads(mixed, distances, self.n_projections),
            bias=self._bias(distances),
            drop=lambda weights: self.drop(weights, training=training),
        )
        return self.output_projection(self._flat(read, distances))


@keras.saving.register_keras_serializable("two_tower")
class PointwiseAttention(_Attention):
    """Multi-head pointwise attention with a gated output.

    All projections pass SiLU; the output is normalised, then multiplied by a gate. Such
    a block needs no feed-forward layers. Arguments as in `SoftmaxAttention`.

    References:
        Zhai et al., Actions Speak Louder than Words: Trillion-Parameter Sequential
        Transducers for Generative Recommendations, ICML 2024, section 3.1.
    """

    n_projections = 4

    def __init__(self, dimension: int, **kwargs: Any) -> None:
        super().__init__(dimension, **kwargs)
        self.norm = keras.layers.LayerNormalization(
            epsilon=SMALL_EPSILON, dtype=self.dtype_policy.name
        )

    def build(self, _: Any = None) -> None:
        super().build()
        self.norm.build((None, self.n_heads * self.width))

    def call(
        self, states: Tensor, *, distances: Distances, training: bool = False
    ) -> Tensor:
        mixed = ops.silu(self.projections(states))
        gate, mixed = ops.split(mixed, [self.n_heads * self.width], axis=1)
        read = pointwise_attention(
            *self._heads(mixed, distances, self.n_projections - 1),
            bias=self._bias(distances),
            drop=lambda weights: self.drop(weights, training=training),
        )
        return self.output_projection(gate * self.norm(self._flat(read, distances)))
