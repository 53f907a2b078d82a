"""Raw ids as parameters give them: the command line makes a number of the id "42"."""

from collections.abc import Iterable

import ibis.expr.types as ir
import pyarrow as pa

from two_tower.params import RawId
from two_tower.retrieval.lookup import NAMED_IN_ERRORS


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
