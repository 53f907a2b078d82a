"""Maximum inner product search as cosine search, with one more dimension.

The new coordinate of an item brings it to the length of the longest item; that of a
query is 0. The cosine is then the dot product divided by both lengths, so an angular
index ranks items by their dot products.

References:
    Bachrach et al., Speeding Up the Xbox Recommender System Using a Euclidean
    Transformation for Inner-Product Spaces, RecSys 2014, section 3.
"""

import numpy as np

from two_tower.types import FloatArray


def find_largest_norm(vectors: FloatArray) -> float:
    """Return the length of the longest of `[N, D]` vectors; 0 without vectors."""
    squares = np.square(vectors, dtype=np.float64).sum(axis=1)
    return float(np.sqrt(squares.max(initial=0.0)))


def reduce_items(vectors: FloatArray, largest_norm: float) -> FloatArray:
    """Return item vectors of length 1, whose cosines rank as the dot products do.

    Args:
        vectors: `[N, D]` float32, of any length.
        largest_norm: length of the longest item of the catalogue, above 0.

    Returns:
        `[N, D + 1]` float32: x / M, then √(1 - |x|²/M²).

    Raises:
        ValueError: if an item is longer than `largest_norm`, or `largest_norm` is not
            above 0.
    """
    if not largest_norm > 0:
        raise ValueError(
            f"the longest item vector has the length {largest_norm}; vectors that are "
            "all zero can't be ranked; run: kedro run --pipelines training"
        )
    scaled = vectors.astype(np.float64) / largest_norm
    squares = np.square(scaled).sum(axis=1, keepdims=True)
    if (squares > 1 + np.finfo(np.float32).eps).any():
        raise ValueError(
            f"an item vector is {np.sqrt(squares.max()):.3g} times as long as "
            "largest_norm; pass the largest norm of the whole catalogue"
        )
    # Rounding may leave the longest item a hair above 1.
    rest = np.sqrt(np.maximum(1 - squares, 0))
    return np.concatenate([scaled, rest], axis=1).astype(np.float32)


def reduce_queries(vectors: FloatArray) -> FloatArray:
    """Return query vectors of length 1 for the items of `reduce_items`.

    Args:
        vectors: `[B, D]` float32, of any length. A zero vector stays zero: its dot
            products with all items are equal.

    Returns:
        `[B, D + 1]` float32: q / |q|, then 0.
    """
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros(vectors.shape), where=norms > 0)
    return np.pad(unit, ((0, 0), (0, 1))).astype(np.float32)
