"""The user tower that reads a history with causal self-attention."""

from functools import partial
from typing import Any, ClassVar

import keras
from keras import ops

from two_tower.types import MASKED_LOGIT, Tensor

# Width of the layer between a block's two dense layers, as in the Transformer paper.
FEED_FORWARD_FACTOR = 4

POSITION_SCALE = 0.02


def causal_attention(
    queries: Tensor, keys: Tensor, values: Tensor, *, drop: keras.layers.Dropout
) -> Tensor:
    """Let each position read itself and what came before.

    Args:
        queries: `[B, H, T, D]` float.
        keys: `[B, H, T, D]` float.
        values: `[B, H, T, D]` float.
        drop: applied to the attention weights.

    Returns:
        `[B, H, T, D]` float.

    References:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.1.
    """
    length, dimension = ops.shape(queries)[-2], queries.shape[-1]
    logits = ops.matmul(queries, ops.swapaxes(keys, -1, -2)) * dimension**-0.5
    position = ops.arange(length)
    is_past = ops.expand_dims(position, 1) >= position
    logits = ops.where(is_past, ops.cast(logits, "float32"), MASKED_LOGIT)
    weights = ops.cast(ops.softmax(logits), values.dtype)
    return ops.matmul(drop(weights), values)


@keras.saving.register_keras_serializable("two_tower")
class TransformerBlock(keras.layers.Layer):
    """Attention and a feed-forward layer, each normalised first and added back.

    Args:
        dimension: D, a multiple of `n_heads`.
        n_heads: attention heads.
        dropout: share of attention weights and of each branch's output dropped.
        seed: of the dropout.

    References:
        Xiong et al., On Layer Normalization in the Transformer Architecture, ICML
        2020 (pre-norm).
    """

    def __init__(
        self, dimension: int, *, n_heads: int, dropout: float, seed: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.n_heads = n_heads
        self.dropout = dropout
        self.seed = seed
        normalise = partial(keras.layers.LayerNormalization, dtype=self.dtype_policy)
        dense = partial(keras.layers.Dense, dtype=self.dtype_policy)
        drop = partial(keras.layers.Dropout, dropout, dtype=self.dtype_policy)
        self.attention_norm = normalise()
        self.query_key_value = dense(3 * dimension, use_bias=False)
        self.attention_drop = drop(seed=seed)
        self.attention_output = dense(dimension, use_bias=False)
        self.attention_output_drop = drop(seed=seed + 1)
        self.feed_norm = normalise()
        self.feed_in = dense(FEED_FORWARD_FACTOR * dimension, activation="gelu")
        self.feed_out = dense(dimension)
        self.feed_out_drop = drop(seed=seed + 2)

    def build(self, _: Any = None) -> None:
        slots = (None, self.dimension)
        for layer in (
            self.attention_norm,
            self.query_key_value,
            self.attention_output,
            self.feed_norm,
            self.feed_in,
        ):
            layer.build(slots)
        self.feed_out.build((None, FEED_FORWARD_FACTOR * self.dimension))
        self.built = True

    def call(
        self, states: Tensor, *, batch: Any, length: Any, training: bool = False
    ) -> Tensor:
        """Return the next states.

        Args:
            states: `[B·T, D]` float: flat, since dense layers are fastest on two
                dimensions; only attention needs the rows apart.
            batch: B.
            length: T.
            training: whether to drop.

        Returns:
            `[B·T, D]` float.
        """
        split = (batch, length, 3, self.n_heads, self.dimension // self.n_heads)
        mixed = self.query_key_value(self.attention_norm(states))
        mixed = ops.transpose(ops.reshape(mixed, split), (2, 0, 3, 1, 4))
        self_drop = lambda weights: self.attention_drop(weights, training=training)  # noqa: E731
        read = causal_attention(mixed[0], mixed[1], mixed[2], drop=self_drop)
        read = ops.reshape(
            ops.transpose(read, (0, 2, 1, 3)), (batch * length, self.dimension)
        )
        states += self.attention_output_drop(
            self.attention_output(read), training=training
        )
        fed = self.feed_out(self.feed_in(self.feed_norm(states)))
        return states + self.feed_out_drop(fed, training=training)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "n_heads": self.n_heads,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("two_tower")
class TransformerUserTower(keras.layers.Layer):
    """Read a history with causal self-attention; each position predicts the next.

    Histories lie left-aligned with padding behind, so that causality alone keeps
    padding out. Positions count back from a history's newest item: the place that
    serves queries is the one that every training window ends on.

    Args:
        dimension: D, a multiple of `n_heads`.
        n_blocks: attention blocks.
        n_heads: attention heads in each.
        max_length: the longest history; the number of position embeddings.
        dropout: in [0, 1), on the input and in each block.
        seed: of the dropout.

    References:
        Kang & McAuley, Self-Attentive Sequential Recommendation, ICDM 2018.
    """

    reads_events: ClassVar[bool] = False

    def __init__(
        self,
        dimension: int,
        *,
        n_blocks: int,
        n_heads: int,
        max_length: int,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.n_blocks = n_blocks
        self.n_heads = n_heads
        self.max_length = max_length
        self.dropout = dropout
        self.seed = seed
        self.input_drop = keras.layers.Dropout(
            dropout, seed=seed, dtype=self.dtype_policy
        )
        # A block takes three seeds of its own.
        self.blocks = [
            TransformerBlock(
                dimension,
                n_heads=n_heads,
                dropout=dropout,
                seed=seed + 1 + 3 * depth,
                dtype=self.dtype_policy,
            )
            for depth in range(n_blocks)
        ]
        self.output_norm = keras.layers.LayerNormalization(dtype=self.dtype_policy)

    def build(self, _: Any = None) -> None:
        self.positions = self.add_weight(
            name="positions",
            shape=(self.max_length, self.dimension),
            initializer=keras.initializers.RandomNormal(stddev=POSITION_SCALE),
        )
        for block in self.blocks:
            block.build()
        self.output_norm.build((None, self.dimension))
        self.built = True

    def call(
        self, vectors: Tensor, is_real: Tensor, *, training: bool = False
    ) -> Tensor:
        """Return the user as of each position of the history.

        Args:
            vectors: `[B, T, D]` float, the items' vectors, oldest first, T at most
                `max_length`.
            is_real: `[B, T]` bool, False for the padding behind each history.
            training: whether to drop.

        Returns:
            `[B, T, D]` float; position t has seen items 0 … t only. Padding's states
            have no meaning.
        """
        batch, length = ops.shape(vectors)[0], ops.shape(vectors)[1]
        lengths = ops.sum(ops.cast(is_real, "int32"), axis=1, keepdims=True)
        age = ops.maximum(lengths - 1 - ops.arange(length, dtype="int32"), 0)
        scaled = vectors * self.dimension**0.5 + ops.take(self.positions, age, axis=0)
        states = ops.reshape(scaled, (batch * length, self.dimension))
        states = self.input_drop(states, training=training)
        for block in self.blocks:
            states = block(states, batch=batch, length=length, training=training)
        states = self.output_norm(states)
        return ops.reshape(states, (batch, length, self.dimension))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "n_blocks": self.n_blocks,
            "n_heads": self.n_heads,
            "max_length": self.max_length,
            "dropout": self.dropout,
            "seed": self.seed,
        }
