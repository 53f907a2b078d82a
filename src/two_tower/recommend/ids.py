"""Raw ids: their indices in a list, their rows in a table, their type."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from two_tower.index.base import NO_ITEM, ItemIndices
from two_tower.params import RawId

if TYPE_CHECKING:
    import ibis.expr.types as ir  # serving does without it

NAMED_IN_ERRORS: Final = 5

LARGEST_ID: Final = 2**63 - 1  # of int64
MOST_DIGITS: Final = 19  # of `LARGEST_ID`


def require_count(value: Any, name: str) -> int:
    """Return a number of items or users.

    Raises:
        ValueError: if it is not a whole number above 0.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}; give a whole number above 0")
    return operator.index(value)


def is_id(value: Any, kind: pa.DataType) -> bool:
    """Return whether a Python value may be a raw id of this type, int64 or string."""
    if pa.types.is_string(kind):
        return isinstance(value, str)
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_integer and -LARGEST_ID - 1 <= value <= LARGEST_ID


class IdLookup:
    """Indices of raw ids in a list, which is hashed at the first lookup.

    Attributes:
        ids: `[N]` int64 or string, without repeats.
        what: plural noun of the ids for errors, such as "items".
        where: holder of the ids for errors, such as "the index".
    """

    def __init__(self, ids: pa.Array, *, what: str, where: str) -> None:
        self.ids = ids
        self.what = what
        self.where = where

    @cached_property
    def _index(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index(self.ids.to_pandas())
        return index

    def find(self, ids: Any) -> ItemIndices:
        """Return the index of each id, `NO_ITEM` where the list lacks it.

        Args:
            ids: `[M]` list, NumPy array or Arrow array of raw ids. A value of a list
                that is no id of the type of `ids`, such as "42" or 42.0 for 42, is
                lacking.

        Returns:
            `[M]` int64.
        """
        if isinstance(ids, pa.Array | pa.ChunkedArray):
            ids = ids.to_pandas()
        indices = np.full(len(ids), NO_ITEM, np.int64)
        if isinstance(ids, list):
            rows = [row for row, one in enumerate(ids) if is_id(one, self.ids.type)]
            if rows:
                index = pd.Index([ids[row] for row in rows])
                indices[rows] = self._index.get_indexer(index)
        elif len(ids):
            indices[:] = self._index.get_indexer(pd.Index(ids))
        return indices

    def find_texts(self, texts: Iterable[RawId]) -> tuple[ItemIndices, list[str]]:
        """Return the indices of ids matched as text, and the ids that are lacking.

        Args:
            texts: numbers or text; repeats count once.
        """
        wanted = list(dict.fromkeys(str(one) for one in texts))
        if pa.types.is_string(self.ids.type):
            found = self.find(wanted)
        else:
            found = self.find([_as_number(text) for text in wanted])
        is_missing = found == NO_ITEM
        missing = [
            text for text, lacks in zip(wanted, is_missing, strict=True) if lacks
        ]
        return found[~is_missing], missing

    def require(self, ids: Iterable[Any]) -> ItemIndices:
        """Return the `[M]` index of each id.

        Raises:
            ValueError: naming the first ids that the list lacks, and its type of id.
        """
        given = list(ids)
        indices = self.find(given)
        missing = [given[i] for i in np.flatnonzero(indices == NO_ITEM)]
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(given)} {self.what} are not among the "
                f"{len(self.ids)} of {self.where} (first: "
                f"{missing[:NAMED_IN_ERRORS]}; its ids are of type {self.ids.type}, "
                f"such as {self.ids[0].as_py()!r}); drop them from the request, or "
                "run the pipelines on data that have them"
            )
        return indices


def _as_number(text: str) -> int | str:
    """Return the whole number that a text writes, or else the text."""
    digits = text.removeprefix("-")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS
    return int(text) if is_number else text


def rows_of_ids(
    table: ir.Table, column: str, ids: Iterable[RawId]
) -> tuple[ir.Table, list[str]]:
    """Return the table's rows of these ids, and the ids without a row.

    Args:
        table: has the column of ids.
        column: int64 or string.
        ids: matched as text.

    Returns:
        The rows in no order, and the missing ids as text, without repeats, in the
        order given.
    """
    texts = list(dict.fromkeys(str(one) for one in ids))
    rows = table.filter(table[column].cast("string").isin(texts))
    found = set(rows[column].cast("string").to_pyarrow().to_pylist())
    return rows, [text for text in texts if text not in found]


def ids_of_type(ids: Iterable[RawId], kind: pa.DataType, *, parameter: str) -> pa.Array:
    """Return ids in the type of the data, converted as text.

    Args:
        ids: numbers or text.
        kind: int64 or string.
        parameter: name of the parameter that lists them, for the error.

    Raises:
        ValueError: if `kind` is int64 and an id is not a whole number.
    """
    texts = [str(one) for one in ids]
    try:
        return pa.array(texts, pa.string()).cast(kind)
    except pa.ArrowInvalid as error:
        odd = [text for text in texts if not text.removeprefix("-").isdecimal()]
        raise ValueError(
            f"{parameter} names {odd[:NAMED_IN_ERRORS]}, but the ids of the data are "
            "whole numbers"
        ) from error
