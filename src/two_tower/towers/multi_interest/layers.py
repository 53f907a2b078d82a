"""A layer norm that can make vectors of length 1."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from two_tower.types import MASKED_LOGIT, Tensor

# Far under the variance of any real vector, yet keeps 1/√x finite at 0.
VARIANCE_FLOOR = 1e-8


def standardise(vectors: Tensor, *, to_unit: bool) -> Tensor:
    """Return vectors of mean 0 and variance 1 or, with `to_unit`, length 1.

    Args:
        vectors: `[..., D]` float.
        to_unit: whether to divide by √D.

    Returns:
        `[..., D]` float32: half precision has neither the mean nor the squares.
    """
    vectors = ops.cast(vectors, "float32")
    centred = vectors - ops.mean(vectors, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    scale = vectors.shape[-1] ** -0.5 if to_unit else 1.0
    return centred * ops.rsqrt(variance + VARIANCE_FLOOR) * scale


@keras.saving.register_keras_serializable("two_tower")
class LayerNorm(keras.layers.Layer):
    """Standardise each vector, then scale and shift it by learned vectors.

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
        """Return `[..., D]` float of `[..., D]` float."""
        standard = standardise(vectors, to_unit=self.to_unit)
        return ops.cast(standard * self.gain + self.shift, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "to_unit": self.to_unit}


@keras.saving.register_keras_serializable("two_tower")
class MultipathDense(keras.layers.Layer):
    """Multiply the vector of each path by a matrix of its own.

    Args:
        n_paths: V.
        output: D', width of what comes out; None for that of what goes in.
        use_bias: whether each path adds a bias of its own.
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
            initializer=_glorot_of_each_path,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.n_paths, units), initializer="zeros"
            )
        self.built = True

    def call(self, vectors: Tensor) -> Tensor:
        """Return `[B, V, D']` float of `[B, V, D]` float, path by path."""
        by_path = ops.matmul(ops.transpose(vectors, (1, 0, 2)), self.kernel)
        paths = ops.transpose(by_path, (1, 0, 2))
        return paths + self.bias if self.use_bias else paths

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_paths": self.n_paths,
            "output": self.output_units,
            "use_bias": self.use_bias,
        }


def _glorot_of_each_path(shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
    """Return Glorot-normal matrices, each by its own fans and draws.

    Keras would count the paths among the fans, so that many of them started small.
    """
    return ops.stack(
        [keras.initializers.GlorotNormal()(shape[1:], dtype) for _ in range(shape[0])]
    )


def unit_vectors(dimension: int) -> keras.initializers.Initializer:
    """Return N(0, D^-½), which makes vectors of about length 1 in any direction."""
    return keras.initializers.RandomNormal(stddev=dimension**-0.5)


def dense(units: int, name: str, dtype: keras.DTypePolicy) -> keras.layers.Dense:
    """Return a linear layer whose kernel starts Glorot-normal."""
    return keras.layers.Dense(
        units, kernel_initializer="glorot_normal", name=name, dtype=dtype
    )


def weighted_softmax(
    logits: Tensor, weights: Tensor, axis: int | Sequence[int]
) -> Tensor:
    """Return `w · exp(logit)` over its sum.

    What has weight 0 gets exactly 0 and, whatever its logit is, changes nothing else.
    Where all weights are 0, so is the result.

    Args:
        logits: `[...]` float32.
        weights: `[...]` float32, at least 0, of a shape that broadcasts to it.
        axis: one axis or several, over which the result sums to 1.

    Returns:
        `[...]` float32.
    """
    counts = ops.greater(weights, 0)
    logits = ops.where(counts, logits, MASKED_LOGIT)
    # It cancels out of the quotient, so the gradient may take it for a constant.
    greatest = ops.stop_gradient(ops.max(logits, axis=axis, keepdims=True))
    terms = weights * ops.exp(logits - greatest)
    total = ops.sum(terms, axis=axis, keepdims=True)
    return terms / ops.where(total > 0, total, 1.0)


def ages_of_places(is_real: Tensor, max_length: int) -> Tensor:
    """Return how many items are newer than that of each place.

    Args:
        is_real: `[B, T]` bool, False for the padding behind each history.
        max_length: from this many on, it is as many less 1.

    Returns:
        `[B, T]` int32 in [0, max_length - 1]; padding's have no meaning.
    """
    lengths = ops.sum(ops.cast(is_real, "int32"), axis=1, keepdims=True)
    newer = lengths - 1 - ops.arange(ops.shape(is_real)[1], dtype="int32")
    return ops.clip(newer, 0, max_length - 1)


def flat_view(vectors: Tensor) -> Tensor:
    """Return `[B · V, D]` of `[B, V, D]`: a user's vectors one behind the other."""
    return ops.reshape(vectors, (-1, vectors.shape[-1]))


def best_vectors(vectors: Tensor, scores: Tensor, k: int) -> Tensor:
    """Return the k vectors of each user that have the greatest scores, best first.

    Args:
        vectors: `[B, V, D]` float.
        scores: `[B, V]` float.
        k: from 1 to V.

    Returns:
        `[B, k, D]` float.

    Raises:
        ValueError: if there are not k vectors.
    """
    if not 1 <= k <= vectors.shape[1]:
        raise ValueError(
            f"the best {k} of {vectors.shape[1]} vectors were asked for; ask for 1 to "
            f"{vectors.shape[1]}"
        )
    _, places = ops.top_k(scores, k)
    return ops.take_along_axis(vectors, ops.expand_dims(places, -1), axis=1)
