"""Layers and functions shared by the parts of the multi-interest encoder."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from two_tower.types import MASKED_LOGIT, Tensor

# Far below the variance of any real vector, yet 1/√x is finite.
VARIANCE_FLOOR = 1e-8


def standardise(vectors: Tensor, *, to_unit: bool) -> Tensor:
    """Return vectors with mean 0 and variance 1 or, with `to_unit`, length 1.

    Args:
        vectors: `[..., D]` float.
        to_unit: whether to divide by √D.

    Returns:
        `[..., D]` float32; half precision would lose the mean and the squares.
    """
    vectors = ops.cast(vectors, "float32")
    centred = vectors - ops.mean(vectors, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    scale = vectors.shape[-1] ** -0.5 if to_unit else 1.0
    return centred * ops.rsqrt(variance + VARIANCE_FLOOR) * scale


@keras.saving.register_keras_serializable("two_tower")
class LayerNorm(keras.layers.Layer):
    """Layer norm, optionally to length 1, with a learned gain and shift.

    Args:
        to_unit: whether a standardised vector has length 1 rather than √D.

    References:
        Ba et al., Layer Normalization, 2016.
    """

    def __init__(self, *, to_unit: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.to_unit = to_unit

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.gain, self.shift = (
            self.add_weight(
                name=name, shape=shape[-1:], initializer=start, autocast=False
            )
            for name, start in (("gain", "ones"), ("shift", "zeros"))
        )
        self.built = True

    def call(self, vectors: Tensor) -> Tensor:
        """Return `[..., D]` normalised vectors of the compute dtype."""
        standard = standardise(vectors, to_unit=self.to_unit)
        return ops.cast(standard * self.gain + self.shift, self.compute_dtype)


@keras.saving.register_keras_serializable("two_tower")
class MultipathDense(keras.layers.Layer):
    """Dense layer with weights of its own for each path.

    Args:
        n_paths: V.
        output: D', width of the output; None for that of the input.
        use_bias: whether each path adds a bias.
    """

    def __init__(
        self, n_paths: int, *, output: int | None, use_bias: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_paths = n_paths
        self.output_units = output
        self.use_bias = use_bias

    def build(self, shape: tuple[int | None, ...]) -> None:
        width = shape[-1]
        units = self.output_units or width
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.n_paths, width, units),
            initializer=_glorot_per_path,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.n_paths, units), initializer="zeros"
            )
        self.built = True

    def call(self, vectors: Tensor) -> Tensor:
        """Return `[B, V, D']` float of `[B, V, D]` float."""
        by_path = ops.matmul(ops.transpose(vectors, (1, 0, 2)), self.kernel)
        paths = ops.transpose(by_path, (1, 0, 2))
        return paths + self.bias if self.use_bias else paths


def _glorot_per_path(shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
    """Return Glorot-normal matrices, each scaled by its own fans.

    Keras would count the paths among the fans, so that many paths would start small.
    """
    return ops.stack(
        [keras.initializers.GlorotNormal()(shape[1:], dtype) for _ in range(shape[0])]
    )


def unit_vectors(dimension: int) -> keras.initializers.Initializer:
    """Return N(0, D^-½), which makes vectors of about length 1 in any direction."""
    return keras.initializers.RandomNormal(stddev=dimension**-0.5)


def dense(units: int, name: str, dtype: str) -> keras.layers.Dense:
    """Return a linear layer whose kernel starts Glorot-normal."""
    return keras.layers.Dense(
        units, kernel_initializer="glorot_normal", name=name, dtype=dtype
    )


def weighted_softmax(
    logits: Tensor, weights: Tensor, axis: int | Sequence[int]
) -> Tensor:
    """Return `w · exp(logit)` divided by its sum.

    An element of weight 0 is exactly 0 and changes no other, whatever its logit. If all
    weights are 0, so is the result.

    Args:
        logits: `[...]` float32.
        weights: `[...]` float32, 0 or more, of a shape that broadcasts to the logits'.
        axis: one or several axes, over which the result sums to 1.

    Returns:
        `[...]` float32.
    """
    counts = ops.greater(weights, 0)
    logits = ops.where(counts, logits, MASKED_LOGIT)
    # It cancels out, so it needs no gradient.
    greatest = ops.stop_gradient(ops.max(logits, axis=axis, keepdims=True))
    terms = weights * ops.exp(logits - greatest)
    total = ops.sum(terms, axis=axis, keepdims=True)
    return terms / ops.where(total > 0, total, 1.0)


def positions_from_newest(is_real: Tensor, max_length: int) -> Tensor:
    """Return positions counted from the newest item, which has position 0.

    Args:
        is_real: `[B, T]` bool, False for padding, which follows the items.
        max_length: number of positions; older items share the last one.

    Returns:
        `[B, T]` int32 in [0, max_length - 1]; padding has no meaning.
    """
    lengths = ops.sum(ops.cast(is_real, "int32"), axis=1, keepdims=True)
    newer = lengths - 1 - ops.arange(ops.shape(is_real)[1], dtype="int32")
    return ops.clip(newer, 0, max_length - 1)


def best_vectors(vectors: Tensor, scores: Tensor, k: int) -> Tensor:
    """Return the k vectors of each user with the highest scores, best first.

    Args:
        vectors: `[B, V, D]` float.
        scores: `[B, V]` float.
        k: from 1 to V.

    Returns:
        `[B, k, D]` float.

    Raises:
        ValueError: if k is not in [1, V].
    """
    if not 1 <= k <= vectors.shape[1]:
        raise ValueError(
            f"k is {k}, but there are {vectors.shape[1]} vectors; choose 1 to "
            f"{vectors.shape[1]}"
        )
    _, best = ops.top_k(scores, k)
    return ops.take_along_axis(vectors, ops.expand_dims(best, -1), axis=1)
