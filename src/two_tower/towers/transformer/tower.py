"""The user tower that reads a history in its order, with causal attention."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import keras
from keras import ops

from two_tower.towers.dropout import Dropout
from two_tower.towers.event_dropout import HiddenEvents
from two_tower.towers.transformer.block import SEEDS_OF_A_BLOCK, SequenceBlock
from two_tower.towers.transformer.params import SequenceOptions
from two_tower.towers.transformer.relative import (
    Places,
    TimeGaps,
    position_buckets,
    query_ages,
    relative_time_buckets,
)
from two_tower.towers.vectors import take_rows
from two_tower.types import Tensor

POSITION_SCALE = 0.02


@keras.saving.register_keras_serializable("two_tower")
class TransformerUserTower(keras.layers.Layer):
    """Read a history with causal attention; each position predicts the next.

    Histories lie left-aligned with padding behind, so that causality alone keeps
    padding out. Positions count back from a history's newest item: the place that
    serves queries is the one that every training window ends on.

    Args:
        dimension: D, a multiple of the heads unless these have a width.
        max_length: the longest history; the number of position embeddings.
        options: `SequenceOptions`, or their fields.
        seed: of the dropout.

    References:
        Kang & McAuley, Self-Attentive Sequential Recommendation, ICDM 2018; Zhai et
        al., Actions Speak Louder than Words, ICML 2024 (pointwise attention);
        Tikhonovich et al., eSASRec, RecSys 2025 (gated residuals, SwiGLU).
    """

    query_per_position: ClassVar[bool] = True

    def __init__(
        self,
        dimension: int,
        *,
        max_length: int,
        options: SequenceOptions | Mapping[str, Any],
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.max_length = max_length
        self.options = SequenceOptions.of(options)
        self.seed = seed
        dtype = self.dtype_policy
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
                seed=seed + 1 + SEEDS_OF_A_BLOCK * depth,
                dtype=dtype,
            )
            for depth in range(self.options.n_blocks)
        ]
        self.hidden_events = (
            HiddenEvents(
                self.options.dropout.times,
                seed=seed + 1 + SEEDS_OF_A_BLOCK * self.options.n_blocks,
            )
            if self.reads_events
            else None
        )
        self.output_norm = keras.layers.LayerNormalization(dtype=dtype)

    @property
    def reads_events(self) -> bool:
        """Whether the times of events are read."""
        return self.options.reads_times

    @property
    def request_time(self) -> bool:
        """Whether times are seen from the request."""
        return self.options.request_time

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
        """Return the user as of each position of the history.

        Args:
            vectors: `[B, T, D]` float, the items' vectors, oldest first, T at most
                `max_length`.
            is_real: `[B, T]` bool, False for the padding behind each history.
            ages: `[B, T]` int32, seconds from event to the row's request and 1, 0 for
                padding and where unknown; for towers that read events. Differences
                alone count, and the request itself only with request time.
            training: whether to drop.

        Returns:
            `[B, T, D]` float; position t has seen items 0 … t only, with absolute
            positions how many follow, and with request time when item t + 1 came.
            Padding's states have no meaning.
        """
        batch, length = ops.shape(vectors)[0], ops.shape(vectors)[1]
        ages = self._known_ages(ages, training=training)
        asked = (
            None
            if ages is None
            else query_ages(ages, is_real, request_time=self.request_time)
        )
        states = vectors * self.dimension**0.5
        if self.options.absolute_position:
            states = states + self._position_vectors(is_real)
        if self.gaps is not None:
            states = states + self.gaps(ages, asked)
        states = ops.reshape(states, (batch * length, self.dimension))
        states = self.input_drop(states, training=training)
        places = Places(
            batch,
            length,
            position_buckets(length) if self.options.relative_position else None,
            relative_time_buckets(ages, asked) if self.options.relative_time else None,
        )
        for block in self.blocks:
            states = block(states, places=places, training=training)
        states = self.output_norm(states)
        return ops.reshape(states, (batch, length, self.dimension))

    def _known_ages(self, ages: Tensor | None, *, training: bool) -> Tensor | None:
        if self.hidden_events is None:
            return None
        if ages is None:
            raise ValueError(
                "the tower reads times (relative_time or time_gap), but its batch "
                "holds no ages; make batches with the times of events"
            )
        known: Tensor = self.hidden_events({"ages": ages}, training=training)["ages"]
        return known

    def _position_vectors(self, is_real: Tensor) -> Tensor:
        """Return `[B, T, D]`, the vector of each item's place from the newest."""
        lengths = ops.sum(ops.cast(is_real, "int32"), axis=1, keepdims=True)
        position = ops.arange(ops.shape(is_real)[1], dtype="int32")
        places = ops.maximum(lengths - 1 - position, 0)
        return take_rows(self.positions, places, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "max_length": self.max_length,
            "options": asdict(self.options),
            "seed": self.seed,
        }
