"""Which of H interests a vector belongs to."""

from typing import Any, get_args

import keras
from keras import ops

from two_tower.towers.multi_interest.layers import unit_vectors
from two_tower.towers.vectors import to_unit_length
from two_tower.types import RoutingMode, Tensor

# [D] alone would be no batch of vectors.
LEAST_RANK = 2


def harden(probabilities: Tensor) -> Tensor:
    """Return 1 for the most probable of the last axis and 0 for the others.

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
    """Route vectors to interests by their cosines with a prototype of each.

    p(h|x) = softmax over h of cos(x, prototype_h) / τ.

    Args:
        n_prototypes: H.
        dimension: D.
        temperature: τ, above 0.
        mode: `soft` for p itself; `hard` for 1 at its greatest and 0 elsewhere, without
            a gradient; `straight_through` for the values of `hard` with the gradient of
            `soft`.

    Raises:
        ValueError: if the mode is another one, or τ is not above 0.

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
        if mode not in get_args(RoutingMode):
            raise ValueError(
                f"there is no routing {mode!r}; choose one of {get_args(RoutingMode)}"
            )
        if not temperature > 0:
            raise ValueError(
                f"the temperature of routing is {temperature}; give one above 0"
            )
        self.n_prototypes = n_prototypes
        self.dimension = dimension
        self.temperature = temperature
        self.mode = mode

    def build(self, _: Any = None) -> None:
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(self.n_prototypes, self.dimension),
            initializer=unit_vectors(self.dimension),
            trainable=self.mode != "hard",  # nothing would ever teach them
        )
        self.built = True

    def call(self, vectors: Tensor, *, are_unit: bool = False) -> Tensor:
        """Return how far each vector belongs to each interest.

        Args:
            vectors: `[..., D]` float of any length, with at least one axis before D.
            are_unit: whether they have length 1 (or 0) already.

        Returns:
            `[..., H]` float32, of sum 1.

        Raises:
            ValueError: if the vectors have another shape.
        """
        logits = self._logits(vectors, are_unit=are_unit)
        # Of a single interest Keras would warn in ops.softmax.
        probabilities = ops.exp(ops.log_softmax(logits))
        if self.mode == "soft":
            return probabilities
        hard = harden(probabilities)
        if self.mode == "hard":
            return hard
        # In this order the values are exactly 0 and 1.
        return hard + (probabilities - ops.stop_gradient(probabilities))

    def log_probabilities(self, vectors: Tensor) -> Tensor:
        """Return log p(h|x), which is finite where p itself would be 0.

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

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_prototypes": self.n_prototypes,
            "dimension": self.dimension,
            "temperature": self.temperature,
            "mode": self.mode,
        }
