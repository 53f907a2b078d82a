"""Where raw ids stand in a list of them."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from two_tower.index.base import NO_ITEM, ItemIndices
from two_tower.params import RawId

NAMED_IN_ERRORS: Final = 5


class IdLookup:
    """Finds ids in the order of a vocabulary; it is hashed once, at the first question.

    Attributes:
        ids: `[N]` int64 or string, each once; position i is the i-th.
        what: what the ids are of, in the plural, for errors.
        where: what holds them, for errors.
    """

    def __init__(self, ids: pa.Array, *, what: str, where: str) -> None:
        self.ids = ids
        self.what = what
        self.where = where

    @cached_property
    def _index(self) -> "pd.Index[Any]":
        index: pd.Index[Any] = pd.Index(self.ids.to_pandas())
        return index

    def find(self, asked: Any) -> ItemIndices:
        """Return the positions of these ids, `NO_ITEM` for those that are unknown.

        Args:
            asked: `[M]` list, NumPy array or Arrow array of raw ids.

        Returns:
            `[M]` int64.
        """
        if isinstance(asked, pa.Array | pa.ChunkedArray):
            asked = asked.to_pandas()
        if not len(asked):
            return np.empty(0, np.int64)
        return np.asarray(self._index.get_indexer(pd.Index(asked)), np.int64)

    def require(self, asked: Iterable[Any]) -> ItemIndices:
        """Return the positions of these ids, all of them known.

        Raises:
            ValueError: naming the first ids that are unknown, and what ids are like.
        """
        ids = list(asked)
        positions = self.find(ids)
        unknown = [ids[i] for i in np.flatnonzero(positions == NO_ITEM)]
        if unknown:
            raise ValueError(
                f"{len(unknown)} of {len(ids)} {self.what} are not among the "
                f"{len(self.ids)} of {self.where} (first: "
                f"{unknown[:NAMED_IN_ERRORS]}; its ids are of type {self.ids.type}, "
                f"such as {self.ids[0].as_py()!r}); drop them from the request, or "
                "run the pipelines on data that have them"
            )
        return positions


def rows_of_ids(
    table: ir.Table, column: str, ids: Iterable[RawId]
) -> tuple[ir.Table, list[str]]:
    """Return the rows of these ids, and the ids that have none.

    Args:
        table: holds the ids.
        column: int64 or string.
        ids: matched by how they read.

    Returns:
        The rows in no order, and as texts, each once and in the order asked, the ids
        that are not among them.
    """
    texts = list(dict.fromkeys(str(one) for one in ids))
    chosen = table.filter(table[column].cast("string").isin(texts))
    found = set(chosen[column].cast("string").to_pyarrow().to_pylist())
    return chosen, [text for text in texts if text not in found]


def ids_of_type(ids: Iterable[RawId], kind: pa.DataType, *, parameter: str) -> pa.Array:
    """Return ids as the data have them, by how they read.

    Args:
        ids: any of them.
        kind: int64 or string.
        parameter: that named them, for the error.

    Raises:
        ValueError: if one is no whole number where ids are.
    """
    texts = [str(one) for one in ids]
    try:
        return pa.array(texts, pa.string()).cast(kind)
    except pa.ArrowInvalid as error:
        odd = [text for text in texts if not text.removeprefix("-").isdecimal()]
        raise ValueError(
            f"{parameter} names {odd[:NAMED_IN_ERRORS]}, but ids are whole numbers here"
        ) from error
