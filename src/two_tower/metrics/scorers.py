"""What ranks the catalogue, computed block by block so that it never exists whole."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from two_tower.types import FloatArray

ScoreBlock: TypeAlias = Callable[[slice, slice], FloatArray]

# Measured over OpenBLAS kernels: the score of one pair of vectors moves with its place
# in the matrix by up to 1.01 times this unit of |q|·|v|. Four leaves room for others.
ROUNDING: Final = 4 * float(np.finfo(np.float32).eps)

AXES_OF_SINGLE: Final = 2  # [B, D], where [B, V, D] holds several vectors of a user


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores of B queries for N items.

    Attributes:
        n_queries: B.
        n_items: N.
        block: returns the `[b, n]` scores of a slice of queries for a slice of items,
            as a new array that the caller may write to.
        margin: `[B]`, scores of a query no further apart than this count as equal.
    """

    n_queries: int
    n_items: int
    block: ScoreBlock
    margin: FloatArray


def with_vector_axis(queries: FloatArray) -> FloatArray:
    """Return `[B, V, D]`, the V vectors of each user; `[B, D]` is one of each."""
    return queries[:, np.newaxis] if queries.ndim == AXES_OF_SINGLE else queries


def dot_scorer(queries: FloatArray, items: FloatArray) -> Scorer:
    """Return the scorer `queries @ items.T`, of V vectors the greatest of V products.

    The rounding of a matrix product depends on where a column stands, so two items with
    one and the same vector can come out a little apart. The margin makes them equal.

    Args:
        queries: `[B, D]` float32, or `[B, V, D]` for users of V vectors each.
        items: `[N, D]` float32.

    Raises:
        ValueError: if the two differ in width.
    """
    if queries.shape[-1:] != items.shape[1:]:
        raise ValueError(
            f"queries of shape {queries.shape} can't be scored against items of shape "
            f"{items.shape}; give [B, D] or [B, V, D], and [N, D], from one and the "
            "same model"
        )
    vectors = with_vector_axis(queries)
    longest = np.linalg.norm(items, axis=1).max(initial=0.0)
    lengths = np.linalg.norm(vectors, axis=2).max(axis=1)
    return Scorer(
        n_queries=len(queries),
        n_items=len(items),
        block=lambda rows, columns: _greatest_products(vectors[rows], items[columns]),
        margin=(ROUNDING * lengths * longest).astype(np.float32),
    )


def _greatest_products(vectors: FloatArray, items: FloatArray) -> FloatArray:
    """Return `[b, n]`, the greatest product of `[b, V, D]` vectors with each item."""
    greatest: FloatArray = vectors[:, 0] @ items.T
    for vector in range(1, vectors.shape[1]):
        np.maximum(greatest, vectors[:, vector] @ items.T, out=greatest)
    return greatest
