"""Batch normalisation with row weights."""

import keras
from keras import ops

from two_tower.types import Tensor

# Keras' defaults for its own layer, which takes a mask of rows but no weights.
MOMENTUM = 0.99
EPSILON = 1e-3

# Names of the weights that training changes without gradients.
STATISTICS = frozenset({"moving_mean", "moving_variance"})


def weighted_moments(states: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted mean and variance of rows.

    Args:
        states: `[N, D]` float.
        weights: `[N]` float, 0 or more; a row of weight 0 has no gradient.

    Returns:
        `[D]` mean and `[D]` variance; 0 where all weights are 0.
    """
    column = ops.expand_dims(weights, -1)
    total = ops.sum(weights)
    total = ops.where(total > 0, total, ops.ones_like(total))
    mean = ops.sum(states * column, axis=0) / total
    variance = ops.sum(ops.square(states - mean) * column, axis=0) / total
    return mean, variance


@keras.saving.register_keras_serializable("two_tower")
class BatchNorm(keras.layers.Layer):
    """Normalise by the batch's statistics in training, else by their moving averages.

    Unlike in Keras' layer, rows have weights. Statistics are float32, whatever the
    precision of the states.

    References:
        Ioffe & Szegedy, Batch Normalization, ICML 2015.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        width = (shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=width, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=width, initializer="zeros")
        self.moving_mean = self.add_weight(
            name="moving_mean", shape=width, initializer="zeros", trainable=False
        )
        self.moving_variance = self.add_weight(
            name="moving_variance", shape=width, initializer="ones", trainable=False
        )
        self.built = True

    def call(
        self, states: Tensor, *, training: bool = False, weights: Tensor | None = None
    ) -> Tensor:
        """Return `[N, D]` normalised states.

        Args:
            states: `[N, D]` float.
            training: whether to normalise by the batch's statistics and to update the
                moving averages.
            weights: `[N]` float, weight of each row in the statistics; None for 1 each.
        """
        states = ops.cast(states, "float32")
        gamma, beta, mean, variance = (
            ops.cast(weight, "float32")
            for weight in (
                self.gamma,
                self.beta,
                self.moving_mean,
                self.moving_variance,
            )
        )
        if training:
            if weights is None:
                weights = ops.ones_like(states[:, 0])
            now = weighted_moments(states, ops.cast(weights, "float32"))
            self.moving_mean.assign(MOMENTUM * mean + (1 - MOMENTUM) * now[0])
            self.moving_variance.assign(MOMENTUM * variance + (1 - MOMENTUM) * now[1])
            mean, variance = now
        scaled = (states - mean) * ops.rsqrt(variance + EPSILON) * gamma + beta
        return ops.cast(scaled, self.compute_dtype)
