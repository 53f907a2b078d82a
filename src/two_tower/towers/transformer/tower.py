"""History encoder: a transformer with causal attention."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from two_tower.towers.base import PositionEncoder
from two_tower.towers.dropout import Dropout
from two_tower.towers.event_dropout import EventDropout
from two_tower.towers.transformer.block import SEEDS_PER_BLOCK, SequenceBlock
from two_tower.towers.transformer.params import TransformerParams
from two_tower.towers.transformer.relative import (
    Distances,
    TimeGaps,
    position_buckets,
    query_ages,
    relative_time_buckets,
)
from two_tower.towers.vectors import take_rows
from two_tower.types import Tensor

POSITION_SCALE = 0.02


@keras.saving.register_keras_serializable("two_tower")
class TransformerUserTower(PositionEncoder):
    """Blocks of causal attention; each position predicts the next item.

    Padding follows the items of a history, so that causal attention never reads it.
    Positions count from the newest item: serving queries have position 0, on which
    every training window ends.

    Args:
        dimension: D, a multiple of the heads unless these have a width.
        max_length: longest history and number of position embeddings.
        options: `TransformerParams` or their fields.
        seed: first seed of the dropouts.

    References:
        Kang & McAuley, Self-Attentive Sequential Recommendation, ICDM 2018; Zhai et
        al., Actions Speak Louder than Words, ICML 2024 (pointwise attention);
        Tikhonovich et al., eSASRec, RecSys 2025 (gated residuals, SwiGLU).
    """

    def __init__(
        self,
        dimension: int,
        *,
        max_length: int,
        options: TransformerParams | Mapping[str, Any],
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.max_length = max_length
        self.options = TransformerParams.model_validate(options)
        self.reads_events = self.options.reads_events
        self.request_time = self.options.request_time
        self.seed = seed
        dtype, n_blocks = self.dtype_policy.name, self.options.n_blocks
        self.gaps = (
            TimeGaps(dimension, request_time=self.request_time, dtype=dtype)
            if self.options.time_gap
            else None
        )
        self.input_drop = Dropout(self.options.dropout.input, seed=seed, dtype=dtype)
        self.blocks = [
            SequenceBlock(
                dimension,
                options=self.options,
                seed=seed + 1 + SEEDS_PER_BLOCK * depth,
                dtype=dtype,
            )
            for depth in range(n_blocks)
        ]
        self.hidden_events = (
            EventDropout(
                self.options.dropout.times, seed=seed + 1 + SEEDS_PER_BLOCK * n_blocks
            )
            if self.reads_events
            else None
        )
        self.output_norm = keras.layers.LayerNormalization(dtype=dtype)

    def build(self, _: Any = None) -> None:
        if self.options.absolute_position:
            self.positions = self.add_weight(
                name="positions",
                shape=(self.max_length, self.dimension),
                initializer=keras.initializers.RandomNormal(stddev=POSITION_SCALE),
                autocast=False,
            )
        if self.gaps is not None:
            self.gaps.build()
        for block in self.blocks:
            block.build()
        self.output_norm.build((None, self.dimension))
        self.built = True

    def call(
        self,
        vectors: Tensor,
        is_real: Tensor,
        ages: Tensor | None = None,
        *,
        training: bool = False,
    ) -> Tensor:
        """Return the state of each position.

        Args:
            vectors: `[B, T, D]` float, item vectors, oldest first, T at most
                `max_length`.
            is_real: `[B, T]` bool, False for padding, which follows the items.
            ages: `[B, T]` int32, seconds from event to request plus 1, 0 if unknown;
                for encoders that read events. Without request time only their
                differences matter.
            training: whether dropout applies.

        Returns:
            `[B, T, D]` float. Position t reads items 0 … t only, with absolute
            positions also the number of later items, and with request time also the
            time of item t + 1. States of padding have no meaning.
        """
        batch, length = ops.shape(vectors)[0], ops.shape(vectors)[1]
        ages = self._drop_ages(ages, training=training)
        requested = (
            None
            if ages is None
            else query_ages(ages, is_real, request_time=self.request_time)
        )
        states = vectors * self.dimension**0.5
        if self.options.absolute_position:
            states = states + self._position_vectors(is_real)
        if self.gaps is not None:
            states = states + self.gaps(ages, requested)
        states = ops.reshape(states, (batch * length, self.dimension))
        states = self.input_drop(states, training=training)
        reads_time = self.options.relative_time
        distances = Distances(
            batch,
            length,
            position_buckets(length) if self.options.relative_position else None,
            relative_time_buckets(ages, requested) if reads_time else None,
        )
        for block in self.blocks:
            states = block(states, distances=distances, training=training)
        states = self.output_norm(states)
        return ops.reshape(states, (batch, length, self.dimension))

    def _drop_ages(self, ages: Tensor | None, *, training: bool) -> Tensor | None:
        """Return the ages, in training unknown for a share of the histories."""
        if self.hidden_events is None:
            return None
        if ages is None:
            raise ValueError(
                "the transformer reads times (relative_time or time_gap), but its "
                "batch holds no ages; make batches with the times of events"
            )
        kept: Tensor = self.hidden_events({"ages": ages}, training=training)["ages"]
        return kept

    def _position_vectors(self, is_real: Tensor) -> Tensor:
        """Return `[B, T, D]`, embeddings of positions counted from the newest item."""
        lengths = ops.sum(ops.cast(is_real, "int32"), axis=1, keepdims=True)
        index = ops.arange(ops.shape(is_real)[1], dtype="int32")
        from_newest = ops.maximum(lengths - 1 - index, 0)
        return take_rows(self.positions, from_newest, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "max_length": self.max_length,
            "options": self.options.model_dump(),
            "seed": self.seed,
        }
