"""Router of vectors to interests."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.multi_interest.layers import unit_vectors
from two_tower.towers.vectors import to_unit_length
from two_tower.types import RoutingMode, Tensor

# [D] alone would be no batch of vectors.
LEAST_RANK = 2


def harden(probabilities: Tensor) -> Tensor:
    """Return 1 for the most probable interest and 0 for the others.

    Args:
        probabilities: `[..., H]` float32.

    Returns:
        `[..., H]` float32, without a gradient.
    """
    best = ops.argmax(probabilities, axis=-1)
    return ops.stop_gradient(
        ops.one_hot(best, probabilities.shape[-1], dtype=probabilities.dtype)
    )


@keras.saving.register_keras_serializable("two_tower")
class ProtoRouter(keras.layers.Layer):
    """Interest probabilities of vectors by their cosines with learned prototypes.

    p(h|x) = softmax over h of cos(x, prototype_h) / τ.

    Args:
        n_prototypes: H.
        dimension: D.
        temperature: τ, above 0.
        mode: `soft` returns p; `hard` 1 for the most probable interest and 0 for the
            others, without a gradient; `straight_through` the values of `hard` with the
            gradient of `soft`.

    References:
        Ma et al., Disentangled Self-Supervision in Sequential Recommenders, KDD 2020,
        section 3.2. Bengio et al., Estimating or Propagating Gradients Through
        Stochastic Neurons, 2013 (straight through).
    """

    def __init__(
        self,
        n_prototypes: int,
        dimension: int,
        *,
        temperature: float,
        mode: RoutingMode,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_prototypes = n_prototypes
        self.dimension = dimension
        self.temperature = temperature
        self.mode = mode

    def build(self, _: Any = None) -> None:
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(self.n_prototypes, self.dimension),
            initializer=unit_vectors(self.dimension),
            trainable=self.mode != "hard",  # they would have no gradient
        )
        self.built = True

    def call(self, vectors: Tensor, *, are_unit: bool = False) -> Tensor:
        """Return the probabilities of each vector's interests.

        Args:
            vectors: `[..., D]` float of any length, with at least one axis before D.
            are_unit: whether their lengths are 1 or 0 already.

        Returns:
            `[..., H]` float32, of sum 1.

        Raises:
            ValueError: if the vectors have another shape.
        """
        logits = self._logits(vectors, are_unit=are_unit)
        # ops.softmax would warn about a single interest.
        probabilities = ops.exp(ops.log_softmax(logits))
        if self.mode == "soft":
            return probabilities
        hard = harden(probabilities)
        if self.mode == "hard":
            return hard
        # In this order the values are exactly 0 and 1.
        return hard + (probabilities - ops.stop_gradient(probabilities))

    def log_probabilities(self, vectors: Tensor) -> Tensor:
        """Return log p(h|x), finite even where p is 0 in float32.

        Args:
            vectors: `[..., D]` float of any length, with at least one axis before D.

        Returns:
            `[..., H]` float32.

        Raises:
            ValueError: if the mode isn't `soft`, or the vectors have another shape.
        """
        if self.mode != "soft":
            raise ValueError(
                f"routing {self.mode!r} has no log, as most of it is 0; use 'soft'"
            )
        return ops.log_softmax(self._logits(vectors, are_unit=False))

    def _logits(self, vectors: Tensor, *, are_unit: bool) -> Tensor:
        if len(vectors.shape) < LEAST_RANK or vectors.shape[-1] != self.dimension:
            raise ValueError(
                f"a router of dimension {self.dimension} got vectors of shape "
                f"{tuple(vectors.shape)}; give it [..., {self.dimension}]"
            )
        units = vectors if are_unit else to_unit_length(vectors)
        flat = ops.reshape(units, (-1, self.dimension))
        prototypes = ops.transpose(to_unit_length(self.prototypes))
        cosines = ops.cast(ops.matmul(flat, prototypes), "float32")
        shape = (*ops.shape(vectors)[:-1], self.n_prototypes)
        return ops.reshape(cosines, shape) / self.temperature
