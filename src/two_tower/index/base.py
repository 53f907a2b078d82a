"""Interface of an index over item vectors, and of the options of a back end."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from two_tower.params import Params
from two_tower.types import FloatArray

NO_ITEM: Final = -1
"""Item row of an empty rank; its score is -inf."""

METRIC: Final = "cosine"
"""Score of an item: the cosine of its vector and the query, in [-1, 1]."""

UNIT_NORM_TOLERANCE: Final = 1e-3
"""A norm further from 1 belongs to a raw vector; float32 errs by about 1e-6."""

QUERY_AXES: Final = (2, 3)
"""`[B, D]`, or `[B, V, D]` for users of V vectors each."""

ItemIndices = npt.NDArray[np.int64]
"""Item rows, from 0: the item index less 2."""


class SearchResult(NamedTuple):
    """The nearest items of each query, nearest first; ties by item row.

    Attributes:
        indices: `[B, K]` int64; `NO_ITEM` (-1) fills the ranks that no item has.
        scores: `[B, K]` float32, cosines, falling; -inf beside `NO_ITEM`.
    """

    indices: ItemIndices
    scores: FloatArray


class Index(Protocol):
    """Nearest-neighbour search over `[N, D]` item vectors."""

    library: ClassVar[str | None]
    """Package that writes and reads the index file; None without a file."""

    @property
    def n_items(self) -> int: ...

    @property
    def dimension(self) -> int: ...

    @property
    def parameters(self) -> dict[str, int]:
        """Settings of the build and the search; `IndexParams.open` takes them back."""
        ...

    def search(self, queries: FloatArray, k: int) -> SearchResult:
        """Return the `k` nearest items of each query.

        Args:
            queries: `[B, D]` float, of any length above 0.
            k: items per query; `NO_ITEM` fills up where there are fewer.

        Raises:
            ValueError: if the queries have another dimension, or one of them is zero
                or not finite.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the index into a folder, without the item vectors."""
        ...


class IndexParams(Params, ABC):
    """Options of a back end, which builds indexes and opens saved ones."""

    @abstractmethod
    def candidates(self, vectors: FloatArray, *, k: int, seed: int) -> Iterable[Index]:
        """Yield the indexes that tuning may choose from, cheapest first.

        Args:
            vectors: `[N, D]` float32, L2-normalised.
            k: length of the lists that tuning measures recall on.
            seed: of a build that uses random numbers.
        """

    @classmethod
    @abstractmethod
    def open(
        cls, folder: Path, vectors: FloatArray, parameters: Mapping[str, int]
    ) -> Index:
        """Return the index that `Index.save` wrote into a folder.

        Args:
            folder: holds the index file.
            vectors: `[N, D]` float32, L2-normalised.
            parameters: `Index.parameters` of the saved index.

        Raises:
            ValueError: if the file is not such an index.
        """


def normalise_queries(queries: npt.ArrayLike, dimension: int) -> FloatArray:
    """Return queries of length 1, whose dot product with an item is the cosine.

    Args:
        queries: `[B, D]` float, or `[B, V, D]` for users of V vectors each.
        dimension: D of the index.

    Returns:
        Float32, shaped like `queries`.

    Raises:
        ValueError: if the queries have another dimension, or one of them is zero or
            not finite.
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
    """Raise an error if an item vector is not of length 1.

    Raises:
        ValueError: naming the first such row.
    """
    norms = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= UNIT_NORM_TOLERANCE))
    if wrong.size:
        raise ValueError(
            f"{wrong.size} of {len(vectors)} item vectors are not of length 1 (first: "
            f"row {wrong[0]}, length {norms[wrong[0]]:.4g}); an index ranks as the "
            "model does only with L2-normalised vectors; run: kedro run "
            "--pipelines export"
        )
