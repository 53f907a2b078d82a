"""Arithmetic on vectors that both towers share."""

from keras import ops

from two_tower.types import Tensor

# Far under the square of any real vector's length, yet keeps 1/√x finite at 0.
SQUARED_LENGTH_FLOOR = 1e-12


def to_unit_length(vectors: Tensor) -> Tensor:
    """Return the vectors scaled to length 1; a zero vector stays zero.

    Args:
        vectors: `[..., D]` float.

    Returns:
        `[..., D]` float.
    """
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squared, SQUARED_LENGTH_FLOOR))


def take_rows(table: Tensor, rows: Tensor, *, dtype: str) -> Tensor:
    """Return rows of a table, whose gradients are added up in float32.

    A row that is read thousands of times gets as many gradients, and a sum in bfloat16
    no longer grows once it is 256 times what is added.

    Args:
        table: `[N, ...]` float; of weights `autocast=False`, or they are rounded first.
        rows: `[...]` int.
        dtype: of the result.

    Returns:
        `[..., ...]` of `dtype`.
    """
    return ops.cast(ops.take(ops.cast(table, "float32"), rows, axis=0), dtype)


def masked_mean(vectors: Tensor, is_real: Tensor) -> Tensor:
    """Return the mean of the real vectors of each row; a row without any gives 0.

    Masked vectors enter neither the mean nor the gradient: a trainable table's
    padding row does not stay zero by itself.

    Args:
        vectors: `[..., T, D]` float.
        is_real: `[..., T]` bool, False for padding.

    Returns:
        `[..., D]` float.
    """
    weights = ops.cast(is_real, vectors.dtype)
    total = ops.sum(vectors * ops.expand_dims(weights, -1), axis=-2)
    count = ops.sum(weights, axis=-1, keepdims=True)
    return total / ops.maximum(count, 1)


def prefix_means(vectors: Tensor, is_real: Tensor) -> Tensor:
    """Return, at each position, the mean of the real vectors up to and with it.

    One product with a triangle of ones gives every prefix of a history at once, so
    that a history of T items trains T queries; a running sum would be a sequential
    loop on most devices.

    Args:
        vectors: `[B, T, D]` float.
        is_real: `[B, T]` bool, False for padding.

    Returns:
        `[B, T, D]` float; 0 before the first real vector.
    """
    length = ops.shape(vectors)[1]
    weights = ops.cast(is_real, vectors.dtype)
    up_to = ops.cast(
        ops.expand_dims(ops.arange(length), 1) >= ops.arange(length), vectors.dtype
    )
    totals = ops.matmul(up_to, vectors * ops.expand_dims(weights, -1))
    counts = ops.matmul(weights, ops.transpose(up_to))
    return totals / ops.expand_dims(ops.maximum(counts, 1), -1)
