"""Rows of a source that can't be used: counted, and refused or dropped."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final, Literal, TypeAlias

import ibis
import ibis.expr.types as ir

from two_tower.messages import shorten
from two_tower.types import JsonObject

logger = logging.getLogger(__name__)

Invalid: TypeAlias = Literal["refuse", "drop"]

_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True)
class Fault:
    """A reason why values can't be used.

    Attributes:
        reason: continues a number of rows, "12 of 480 …".
        is_faulty: bool for each row, never null.
        shown: the column whose first faulty value the message shows; None: no value.
        advise: from the first faulty value, text, to the key to change; None: none.
    """

    reason: str
    is_faulty: ir.BooleanColumn
    shown: ir.Column | None = None
    advise: Callable[[str], str] | None = None


@dataclass(frozen=True)
class Counts:
    """What one pass over a table has counted.

    Attributes:
        read: rows of the table.
        invalid: reason → its rows, for the reasons that occur.
        sentences: one for each of these reasons.
        others: the further aggregates by name.
    """

    read: int
    invalid: dict[str, int]
    sentences: list[str]
    others: JsonObject


def count_faults(
    table: ir.Table,
    row: ir.IntegerColumn,
    faults: Sequence[Fault],
    others: Mapping[str, ir.Scalar],
) -> Counts:
    """Count faults, and anything else, in one pass over a table.

    Args:
        table: the table of all columns that follow.
        row: number of each row in messages, by which the first is found.
        faults: reasons to count.
        others: name → further aggregate.
    """
    aggregates: dict[str, ir.Scalar] = {"read": table.count(), **others}
    for i, fault in enumerate(faults):
        aggregates[f"n{i}"] = fault.is_faulty.sum()
        aggregates[f"row{i}"] = row.min(where=fault.is_faulty)
        if fault.shown is not None:
            text = fault.shown.cast("string")
            aggregates[f"value{i}"] = text.argmin(row, where=fault.is_faulty)
    (found,) = table.aggregate(**aggregates).to_pyarrow().to_pylist()
    present = [i for i in range(len(faults)) if found[f"n{i}"]]
    return Counts(
        read=found["read"],
        invalid={faults[i].reason: found[f"n{i}"] for i in present},
        sentences=[
            _describe(faults[i], found[f"n{i}"], found["read"])
            + _describe_first(faults[i], found[f"row{i}"], found.get(f"value{i}"))
            for i in present
        ],
        others={name: found[name] for name in others},
    )


def is_any_faulty(faults: Sequence[Fault]) -> ir.BooleanValue:
    """Return whether a row has any of the faults."""
    nothing: ir.BooleanValue = ibis.literal(value=False)
    return reduce(or_, (fault.is_faulty for fault in faults), nothing)


def settle(source: str, counts: Counts, invalid: Invalid, n_used: int) -> JsonObject:
    """Refuse or report the rows that can't be used.

    Args:
        source: name of the table.
        counts: the counts of its faults.
        invalid: whether such rows are refused or dropped.
        n_used: rows without a fault.

    Returns:
        `read`, `used` and `invalid` (reason → rows or values).

    Raises:
        ValueError: there are faults that may not be dropped, or no row is used.
    """
    faults = "; ".join(counts.sentences)
    is_nothing_left = counts.read > 0 and n_used == 0
    if faults and is_nothing_left:
        raise ValueError(
            f"no row of {source} can be used: {faults}. Correct ingestion's parameters "
            "or the source"
        )
    if faults and invalid == "refuse":
        raise ValueError(
            f"{source} has rows that can't be used: {faults}. Correct the source or "
            "ingestion's parameters; to leave these out, set ingestion.invalid to drop"
        )
    if faults:
        used = f"{n_used:,} of {counts.read:,}"
        logger.warning("%s: %s rows are used; left out: %s", source, used, faults)
    return {"read": counts.read, "used": n_used, "invalid": counts.invalid}


def _describe(fault: Fault, n: int, read: int) -> str:
    return f"{n:,} of {read:,} {fault.reason}"


def _describe_first(fault: Fault, row: int | None, value: Any) -> str:
    shown = "" if value is None else f" {shorten(str(value), _SHOWN_CHARACTERS)!r}"
    first = f", the first{shown} in row {row:,}" if row is not None else shown
    advice = fault.advise(value or "") if fault.advise else ""
    return f"{first} ({advice})" if advice else first
