"""How each position of a history reads itself and what came before."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from two_tower.towers.dropout import Dropout
from two_tower.towers.transformer.relative import AttentionBias, Places
from two_tower.types import MASKED_LOGIT, Tensor

# Of the norm behind pointwise attention: its inputs are small, as averages of products.
SMALL_EPSILON = 1e-6


def softmax_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    bias: Tensor | None,
    drop: Callable[[Tensor], Tensor],
) -> Tensor:
    """Let each position share itself out among itself and what came before.

    Args:
        queries: `[H, B, T, W]` float.
        keys: `[H, B, T, W]` float.
        values: `[H, B, T, W]` float.
        bias: float32 that broadcasts with `[H, B, T, T]`, added to the logits; or None.
        drop: applied to the weights.

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
    """Let each position weigh each of what it reads by itself.

    Unlike a softmax's, weights don't compete: more of the same makes more. Position t
    divides by the t + 1 items that it reads, so that no padding has a say.

    Args:
        queries: as of `softmax_attention`, and all that follow.
        keys: likewise.
        values: likewise.
        bias: likewise.
        drop: likewise.

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
    """What both kinds have in common: heads, bias, dropout, output."""

    n_projections: int

    def __init__(  # noqa: PLR0913 (the sizes, and what else has a say)
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
        self.head_width = head_width
        self.by_position = by_position
        self.by_time = by_time
        self.dropout = dropout
        self.seed = seed
        self.width = head_width or dimension // n_heads
        inner, dtype = n_heads * self.width, self.dtype_policy
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
    def call(self, states: Tensor, *, places: Places, training: bool = False) -> Tensor:
        """Return `[B·T, D]` float, what each position makes of what it reads.

        Args:
            states: `[B·T, D]` float.
            places: how they stand to each other.
            training: whether to drop.
        """

    def _bias(self, places: Places) -> Tensor | None:
        return None if self.bias is None else self.bias(places=places)

    def _heads(self, mixed: Tensor, places: Places, n_parts: int) -> list[Tensor]:
        """Return n times `[H, B, T, W]` of `[B·T, n·H·W]`."""
        shape = (places.batch, places.length, n_parts, self.n_heads, self.width)
        parts = ops.transpose(ops.reshape(mixed, shape), (2, 3, 0, 1, 4))
        # Taken apart at once: the gradient of an index is as large as all parts.
        return list(ops.unstack(parts, n_parts))

    def _flat(self, read: Tensor, places: Places) -> Tensor:
        """Return `[B·T, H·W]` of `[H, B, T, W]`."""
        shape = (places.batch * places.length, self.n_heads * self.width)
        return ops.reshape(ops.transpose(read, (1, 2, 0, 3)), shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "n_heads": self.n_heads,
            "head_width": self.head_width,
            "by_position": self.by_position,
            "by_time": self.by_time,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("two_tower")
class SoftmaxAttention(_Attention):
    """Heads of causal attention, joined by a projection.

    Args:
        dimension: D, a multiple of `n_heads` unless there is a `head_width`.
        n_heads: H.
        head_width: W; None for D / H.
        by_position: whether heads look at distances; see `AttentionBias`.
        by_time: whether they look at times.
        dropout: share of the weights dropped.
        seed: of the dropout.
    """

    n_projections = 3

    def call(self, states: Tensor, *, places: Places, training: bool = False) -> Tensor:
        mixed = self.projections(states)
        read = softmax_attention(
            *self._heads(mixed, places, self.n_projections),
            bias=self._bias(places),
            drop=lambda weights: self.drop(weights, training=training),
        )
        return self.output_projection(self._flat(read, places))


@keras.saving.register_keras_serializable("two_tower")
class PointwiseAttention(_Attention):
    """Heads of pointwise attention, whose answer each position gates.

    All projections pass SiLU, and the answer is normalised before it is gated; a block
    of it needs no feed-forward layers.

    Args:
        dimension: as of `SoftmaxAttention`, and all that follow.
        n_heads: likewise.
        head_width: likewise.
        by_position: likewise.
        by_time: likewise.
        dropout: likewise.
        seed: likewise.

    References:
        Zhai et al., Actions Speak Louder than Words: Trillion-Parameter Sequential
        Transducers for Generative Recommendations, ICML 2024, section 3.1.
    """

    n_projections = 4

    def __init__(self, dimension: int, **kwargs: Any) -> None:
        super().__init__(dimension, **kwargs)
        self.norm = keras.layers.LayerNormalization(
            epsilon=SMALL_EPSILON, dtype=self.dtype_policy
        )

    def build(self, _: Any = None) -> None:
        super().build()
        self.norm.build((None, self.n_heads * self.width))

    def call(self, states: Tensor, *, places: Places, training: bool = False) -> Tensor:
        mixed = ops.silu(self.projections(states))
        gate, mixed = ops.split(mixed, [self.n_heads * self.width], axis=1)
        read = pointwise_attention(
            *self._heads(mixed, places, self.n_projections - 1),
            bias=self._bias(places),
            drop=lambda weights: self.drop(weights, training=training),
        )
        return self.output_projection(gate * self.norm(self._flat(read, places)))
