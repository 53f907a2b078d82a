"""Largest dot product as smallest angle, so that one kind of index serves both.

Each item gets one more coordinate, which brings all items to the length of the longest;
a query's is 0. The dot product of a query with an item, divided by both lengths, is
then their cosine: an angular index keeps the dot product's order.

References:
    Bachrach et al., Speeding Up the Xbox Recommender System Using a Euclidean
    Transformation for Inner-Product Spaces, RecSys 2014, section 3.
"""

import numpy as np

from two_tower.types import FloatArray


def find_largest_norm(vectors: FloatArray) -> float:
    """Return the length of the longest of `[N, D]` vectors, 0 of none."""
    squares = np.square(vectors, dtype=np.float64).sum(axis=1)
    return float(np.sqrt(squares.max(initial=0.0)))


def reduce_items(vectors: FloatArray, largest_norm: float) -> FloatArray:
    """Return item vectors of length 1 in which the dot product is the cosine.

    Args:
        vectors: `[N, D]` float32, of any length.
        largest_norm: of all items that are compared, above 0.

    Returns:
        `[N, D + 1]` float32: x / M, then √(1 - |x|²/M²).

    Raises:
        ValueError: if an item is longer than `largest_norm`, or that is not above 0.
    """
    if not largest_norm > 0:
        raise ValueError(
            f"the longest item vector has the length {largest_norm}; items that are "
            "all zero can't be ranked: train the towers again"
        )
    scaled = vectors.astype(np.float64) / largest_norm
    squares = np.square(scaled).sum(axis=1, keepdims=True)
    if (squares > 1 + np.finfo(np.float32).eps).any():
        raise ValueError(
            f"an item vector is {np.sqrt(squares.max()):.3g} times as long as the "
            "longest that is known; reduce all items that are compared together"
        )
    # Rounding may leave the longest item a hair above 1.
    rest = np.sqrt(np.maximum(1 - squares, 0))
    return np.concatenate([scaled, rest], axis=1).astype(np.float32)


def reduce_queries(vectors: FloatArray) -> FloatArray:
    """Return query vectors of length 1 for items of `reduce_items`.

    Args:
        vectors: `[B, D]` float32, of any length; a zero one stays zero, since all
            items are alike to it.

    Returns:
        `[B, D + 1]` float32: q / |q|, then 0.
    """
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros(vectors.shape), where=norms > 0)
    return np.pad(unit, ((0, 0), (0, 1))).astype(np.float32)
