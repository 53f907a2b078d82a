"""One block of a tower that reads histories in their order."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import keras

from two_tower.towers.sequence.attention import PointwiseAttention, SoftmaxAttention
from two_tower.towers.sequence.bias import Places
from two_tower.towers.sequence.feed_forward import FeedForward
from two_tower.towers.sequence.options import SequenceOptions
from two_tower.towers.sequence.residual import Residual
from two_tower.types import Tensor

SEEDS_OF_A_BLOCK: Final = 4
"""How many seeds a block takes, from its own one on."""

ATTENTIONS = {"softmax": SoftmaxAttention, "pointwise": PointwiseAttention}


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
