"""Times of a source as seconds since 1970 (UTC)."""

from typing import Final

import ibis
import ibis.expr.types as ir

from two_tower.tables.columns import (
    Typed,
    as_float64,
    as_whole,
    or_false,
    require_type,
)
from two_tower.tables.date_formats import seconds_of, seconds_of_text

UNITS: Final = {
    "seconds": 1,
    "milliseconds": 10**3,
    "microseconds": 10**6,
    "nanoseconds": 10**9,
}
"""Units since 1970 → units per second."""

_ISO_DATE: Final = r"^\s*[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([T\s].*)?$"
_WHOLE: Final = r"^\s*[+-]?[0-9]+\s*$"
_EXPONENT: Final = r"[eE]\+?0*([0-9]+)\s*$"
_EXCEL_1970: Final = 25_569  # Excel's number of the day 1970-01-01
_SECONDS_PER_DAY: Final = 86_400


def read_seconds(column: ir.Column, written: str, decimal: str) -> Typed:
    """Read times as int64 seconds since 1970 (UTC), without fractions.

    Args:
        column: numbers, or numbers as text; for `datetime` dates, timestamps or ISO
            8601 text, for a format text; in UTC unless they have an offset.
        written: a unit of `UNITS`, `excel` (days as spreadsheets count them),
            `datetime`, or a format of `strptime`.
        decimal: the decimal mark of numbers as text, "." or ",".

    Raises:
        ValueError: the source has another type, or one that can't hold seconds.
    """
    found = column.type()
    if written == "datetime":
        is_read = found.is_timestamp() or found.is_date() or found.is_string()
        require_type(column, is_read, "dates and times")
        return Typed(_from_datetime(column), column, "dates in ISO 8601")
    if "%" in written:
        require_type(column, found.is_string(), f"text like {written}")
        seconds = seconds_of_text(column, written)
        return Typed(seconds, column, f"dates like {written}")
    require_type(column, found.is_numeric() or found.is_string(), written)
    if found.is_floating() and not found.is_float64():
        raise ValueError(
            f"column {column.get_name()} has the type {found}, which can't hold the "
            "seconds of today: float32 rounds them to 128 seconds. Save the column as "
            "int64 or float64 again, from its origin"
        )
    if written == "excel":
        days = as_float64(column, decimal)
        seconds = as_whole((days - _EXCEL_1970) * _SECONDS_PER_DAY + 0.5)
        return Typed(
            seconds.try_cast("int64"), column, "days as a spreadsheet counts them"
        )
    return Typed(_from_number(column, UNITS[written], decimal), column, "numbers")


def is_rounded(column: ir.Column, written: str) -> ir.BooleanColumn | None:
    """Return whether an exponent has lost seconds: 1.60E+09 has 3 digits of 10.

    Args:
        column: times of the source.
        written: as for `read_seconds`.

    Returns:
        Whether the text of a number has too few digits; None for columns that can't
        have such values.
    """
    if written not in UNITS or not column.type().is_string():
        return None
    exponent = column.re_extract(_EXPONENT, 1).try_cast("int64")
    digits = column.re_extract(r"[.,]([0-9]*)[eE]", 1).length()
    spare = len(str(UNITS[written])) - 1  # digits below a second
    return or_false(exponent - spare > digits)


def _from_number(column: ir.Column, per_second: int, decimal: str) -> ir.IntegerColumn:
    found = column.type()
    if found.is_integer():
        whole = column.try_cast("int64")
    else:
        whole = as_whole(as_float64(column, decimal))
        if found.is_string():  # whole numbers without the detour by a float
            is_whole = column.re_search(_WHOLE)
            exact = is_whole.ifelse(column.strip(), ibis.null("string"))
            whole = ibis.coalesce(exact.try_cast("int64"), whole)
    # Ibis divides floats: a multiple of the divisor stays exact.
    return whole if per_second == 1 else (whole - whole % per_second) // per_second


def _from_datetime(column: ir.Column) -> ir.IntegerColumn:
    if column.type().is_string():
        # Engines read words such as "epoch" as well.
        is_date = column.re_search(_ISO_DATE)
        column = is_date.ifelse(column.strip(), ibis.null("string"))
    # A cast of text to a timestamp without a zone would ignore "+02:00".
    return seconds_of(column.try_cast("timestamp('UTC')"))
