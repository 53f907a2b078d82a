"""What every index over item vectors offers, whichever library is behind it."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from two_tower.types import FloatArray

NO_ITEM: Final = -1
"""Position of an empty place in a list of results; its score is -inf."""

METRIC: Final = "cosine"
"""How near an item is to a query: the cosine of their vectors, in [-1, 1]."""

UNIT_NORM_TOLERANCE: Final = 1e-3
"""Off by more than this, a vector was not normalised; float32 errs by about 1e-6."""

QUERY_AXES: Final = (2, 3)
"""`[B, D]`, or `[B, V, D]` for users of V vectors each."""

ItemIndices = npt.NDArray[np.int64]


class SearchResult(NamedTuple):
    """The nearest items of each query, nearest first, equal scores by position.

    Attributes:
        indices: `[B, K]` int64, rows of the item vectors; `NO_ITEM` (-1) after the
            last one when fewer than K were found.
        scores: `[B, K]` float32, cosines, falling; -inf where nothing was found.
    """

    indices: ItemIndices
    scores: FloatArray


class Index(Protocol):
    """Finds the items nearest to a query; position `i` is row `i` of the vectors."""

    backend: ClassVar[str]
    library: ClassVar[str | None]
    """The package that wrote the index's file and must read it; None without one."""

    @property
    def n_items(self) -> int: ...

    @property
    def dimension(self) -> int: ...

    @property
    def parameters(self) -> dict[str, int]:
        """What it was built with and what a search spends; enough to open it again."""
        ...

    def search(self, queries: FloatArray, k: int) -> SearchResult:
        """Return the `k` nearest items of each query.

        Args:
            queries: `[B, D]` float, of any length above 0.
            k: how many; more than there are items leaves places empty.

        Raises:
            ValueError: if the queries' dimension is not the index's, or one of them
                is zero or not finite.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write into the folder what the item vectors don't already hold."""
        ...

    @classmethod
    def open(
        cls, folder: Path, vectors: FloatArray, parameters: Mapping[str, int]
    ) -> Self:
        """Return the index that `save` wrote into the folder.

        Raises:
            ValueError: if the file isn't such an index.
        """
        ...


def normalise_queries(queries: npt.ArrayLike, dimension: int) -> FloatArray:
    """Return queries of length 1, so that a dot product with an item is the cosine.

    Args:
        queries: `[B, D]` float, or `[B, V, D]` for users of V vectors each.
        dimension: D of the index.

    Returns:
        Float32 of the same shape.

    Raises:
        ValueError: if D is another, or a query is zero or not finite.
    """
    given = np.asarray(queries, np.float32)
    if given.ndim not in QUERY_AXES or given.shape[-1] != dimension:
        raise ValueError(
            f"queries have the shape {given.shape}, but the index holds vectors of "
            f"{dimension} dimensions; make both with one model"
        )
    norms = np.linalg.norm(given, axis=-1, keepdims=True)
    has_direction = np.isfinite(norms) & (norms > 0)
    wrong = np.flatnonzero(~has_direction.all(axis=tuple(range(1, given.ndim))))
    if wrong.size:
        raise ValueError(
            f"{wrong.size} of {len(given)} query vectors are zero or not finite "
            f"(first: row {wrong[0]}); they have no nearest items"
        )
    return np.ascontiguousarray(given / norms)


def require_unit_rows(vectors: FloatArray) -> None:
    """Refuse item vectors that are not of length 1.

    Raises:
        ValueError: naming the first row whose length isn't 1.
    """
    norms = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= UNIT_NORM_TOLERANCE))
    if wrong.size:
        raise ValueError(
            f"{wrong.size} of {len(vectors)} item vectors are not of length 1 (first: "
            f"row {wrong[0]}, length {norms[wrong[0]]:.4g}); the order of an index is "
            "the model's only for L2-normalised vectors: run the export pipeline again"
        )
