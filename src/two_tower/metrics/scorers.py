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


def dot_scorer(queries: FloatArray, items: FloatArray) -> Scorer:
    """Return the scorer `queries @ items.T`.

    The rounding of a matrix product depends on where a column stands, so two items with
    one and the same vector can come out a little apart. The margin makes them equal.

    Args:
        queries: `[B, D]` float32.
        items: `[N, D]` float32.

    Raises:
        ValueError: if the two differ in width.
    """
    if queries.shape[1:] != items.shape[1:]:
        raise ValueError(
            f"queries of shape {queries.shape} can't be scored against items of shape "
            f"{items.shape}; give [B, D] and [N, D] from one and the same model"
        )
    longest = np.linalg.norm(items, axis=1).max(initial=0.0)
    margin = ROUNDING * np.linalg.norm(queries, axis=1) * longest
    return Scorer(
        n_queries=len(queries),
        n_items=len(items),
        block=lambda rows, columns: queries[rows] @ items[columns].T,
        margin=margin.astype(np.float32),
    )
