"""How much each item of a history counts, by its vector and its context."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.interests.initializers import dense, unit_vectors
from two_tower.towers.interests.places import ages_of_places
from two_tower.towers.interests.weighted_softmax import weighted_softmax
from two_tower.towers.vectors import take_rows
from two_tower.types import Tensor

# Units of the layer before the logit for each of an item's numbers, as in the paper's
# own code.
HIDDEN_FACTOR = 4


@keras.saving.register_keras_serializable("two_tower")
class ContextAttention(keras.layers.Layer):
    """p(item) = softmax over a history of FC₁(tanh(FC₄D([item; position; context]))).

    Args:
        dimension: D.
        max_length: how many positions there are, with `position_bias`.
        position_bias: whether the position is seen: it counts back from the newest
            item, and items older than `max_length` share the last one. Without it
            histories are sets, whose interests are more diverse.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, section 3.4.
    """

    def __init__(
        self, dimension: int, *, max_length: int, position_bias: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.max_length = max_length
        self.position_bias = position_bias
        self.hidden = dense(HIDDEN_FACTOR * dimension, "hidden", self.dtype_policy)
        self.logit = dense(1, "logit", self.dtype_policy)

    def build(self, _: Any = None) -> None:
        parts = 3 if self.position_bias else 2
        self.hidden.build((None, parts * self.dimension))
        self.logit.build((None, HIDDEN_FACTOR * self.dimension))
        if self.position_bias:
            self.positions = self.add_weight(
                name="positions",
                shape=(self.max_length, self.dimension),
                initializer=unit_vectors(self.dimension),
                autocast=False,
            )
        self.built = True

    def call(self, vectors: Tensor, contexts: Tensor, is_real: Tensor) -> Tensor:
        """Return how much each item counts.

        Args:
            vectors: `[B, T, D]` float, the items' vectors, oldest first.
            contexts: `[B, T, D]` float.
            is_real: `[B, T]` bool, False for the padding behind each history.

        Returns:
            `[B, T]` float32, of sum 1 in each row that has a real item; padding has 0.
        """
        parts = [vectors, contexts]
        if self.position_bias:
            places = ages_of_places(is_real, self.max_length)
            parts.insert(1, take_rows(self.positions, places, dtype=self.compute_dtype))
        flat = ops.concatenate(
            [ops.reshape(part, (-1, self.dimension)) for part in parts], axis=-1
        )
        logits = self.logit(ops.tanh(self.hidden(flat)))
        logits = ops.cast(ops.reshape(logits, ops.shape(is_real)), "float32")
        return weighted_softmax(logits, ops.cast(is_real, "float32"), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "max_length": self.max_length,
            "position_bias": self.position_bias,
        }
