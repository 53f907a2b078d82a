"""Arithmetic on vectors that both towers share."""

from keras import ops

from two_tower.types import Tensor

# Far below the squared length of any real vector, yet 1/√x is finite.
SQUARED_LENGTH_FLOOR = 1e-12


def to_unit_length(vectors: Tensor) -> Tensor:
    """Return vectors scaled to length 1; a zero vector stays zero.

    Args:
        vectors: `[..., D]` float.

    Returns:
        `[..., D]` float.
    """
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squared, SQUARED_LENGTH_FLOOR))


def take_rows(table: Tensor, rows: Tensor, *, dtype: str) -> Tensor:
    """Return rows of a table, with their gradients summed in float32.

    A row that is read thousands of times sums as many gradients; a bfloat16 sum stops
    growing at 256 times its summands.

    Args:
        table: `[N, ...]` float; a weight needs `autocast=False`, or it is rounded
            before the sum.
        rows: `[...]` int.
        dtype: dtype of the result.

    Returns:
        `[..., ...]` of `dtype`.
    """
    return ops.cast(ops.take(ops.cast(table, "float32"), rows, axis=0), dtype)


def masked_mean(vectors: Tensor, is_real: Tensor) -> Tensor:
    """Return the mean of the real vectors of each row; 0 if a row has none.

    Masked vectors enter neither the mean nor the gradient, so a trainable padding row
    has no effect.

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
    """Return, for each position, the mean of the real vectors up to that position.

    One product with a triangle of ones gives all prefixes of a history at once; a
    running sum would be a sequential loop on most devices.

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
