"""Ragged rows: lists of different lengths as two flat NumPy arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths; row `r` is `values[offsets[r]:offsets[r + 1]]`.

    Attributes:
        values: `[V]`, all rows concatenated.
        offsets: `[R + 1]` int64, from 0 to V, non-decreasing.
    """

    values: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def from_lists(
        cls, rows: Sequence[Iterable[int]], dtype: npt.DTypeLike = np.int32
    ) -> Self:
        """Return the rows of a list of lists of integers."""
        arrays = [np.fromiter(row, dtype) for row in rows]
        values = np.concatenate(arrays) if arrays else np.empty(0, dtype)
        return cls(values, _offsets([len(array) for array in arrays]))

    @classmethod
    def empty(cls, n_rows: int, dtype: npt.DTypeLike = np.int64) -> Self:
        """Return rows without values."""
        return cls(np.empty(0, dtype), np.zeros(n_rows + 1, np.int64))

    @classmethod
    def from_arrow(cls, lists: Any) -> Self:
        """Return the rows of an Arrow list array or chunked array, in its value type.

        Raises:
            ValueError: a list, or a value in a list, is null.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if isinstance(lists, pa.ChunkedArray):
            lists = lists.combine_chunks()
        values = pc.list_flatten(lists)
        nulls = lists.null_count + values.null_count
        if nulls:
            raise ValueError(
                f"a list column holds {nulls} nulls; "
                "give a user without items an empty list"
            )
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        return cls(values.to_numpy(zero_copy_only=False), _offsets(lengths))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """`[R]` int64, the number of values of each row."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """`[V]` int64, the row of each value."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, rows: npt.ArrayLike) -> Self:
        """Return the given rows, in the given order; indices may repeat."""
        indices = np.asarray(rows, np.int64)
        lengths = self.lengths[indices]
        offsets = _offsets(lengths)
        # The index of a value is the start of its row plus its position in the row.
        shift = np.repeat(self.offsets[:-1][indices] - offsets[:-1], lengths)
        return type(self)(self.values[np.arange(offsets[-1]) + shift], offsets)

    def pad(self, width: int) -> npt.NDArray[Any]:
        """Return the last `width` values of each row, padded with zeros at the end.

        Returns:
            `[R, width]`, in the type of the values.
        """
        kept = np.minimum(self.lengths, width)
        starts = self.offsets[1:] - kept
        indices = starts[:, None] + np.arange(width)
        is_real = np.arange(width) < kept[:, None]
        padded = np.zeros((len(self), width), self.values.dtype)
        padded[is_real] = self.values[indices[is_real]]
        return padded

    def keep(self, mask: npt.NDArray[np.bool_]) -> Self:
        """Return all rows with the values where `mask` (`[V]`) is true."""
        kept_before = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
        return type(self)(self.values[mask], kept_before[self.offsets])

    def join(self, other: Self) -> Self:
        """Return each row followed by the other's, which has as many rows."""
        order = np.argsort(np.concatenate([self.rows, other.rows]), kind="stable")
        values = np.concatenate([self.values, other.values])[order]
        return type(self)(values, self.offsets + other.offsets)

    def distinct(self) -> Self:
        """Return all rows without repeated values; first occurrences keep their order.

        The values must be integers.
        """
        if not len(self.values):
            return self
        from_zero = self.values.astype(np.int64) - self.values.min()
        _, first = np.unique(
            self.rows * (from_zero.max() + 1) + from_zero, return_index=True
        )
        mask = np.zeros(len(self.values), bool)
        mask[first] = True
        return self.keep(mask)


def _offsets(lengths: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the offsets of rows of the given lengths, `[R + 1]` int64."""
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))])
