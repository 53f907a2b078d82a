"""Conversion of source columns to the types that later pipelines read."""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from .params import FeatureType, IdType, TimestampFormat

_MILLISECONDS = 1000  # per second
_WHOLE_NUMBER = r"^\s*[+-]?[0-9]+\s*$"


def require_columns(
    table: ir.Table, columns: Iterable[str | None], source: str
) -> None:
    """Refuse a table that lacks a column.

    Args:
        table: a table of the source.
        columns: names of the needed columns; None is skipped.
        source: name of the table in messages.

    Raises:
        ValueError: naming the missing columns.
    """
    missing = sorted({name for name in columns if name} - set(table.columns))
    if missing:
        raise ValueError(
            f"{source} has no column {', '.join(missing)}; it has "
            f"{', '.join(table.columns)}. Name these in ingestion.columns and "
            "ingestion.features"
        )


def as_id(column: ir.Column, id_type: IdType) -> ir.Column:
    """Return ids as int64 or string, unchanged.

    Args:
        column: whole numbers or text.
        id_type: type of the result. Text that is not a whole number fails as an integer
            when the table is computed.

    Raises:
        ValueError: the source has another type, which may have changed ids already:
            "007" read as a number is 7.
    """
    found = column.type()
    if id_type == "text":
        _require(column, found.is_string() or found.is_uuid(), "text")
        return column.cast("string")
    return _as_integer(column)


def as_seconds(column: ir.Column, written: TimestampFormat) -> ir.Column:
    """Return times as int64 seconds since 1970 (UTC), without fractions.

    Args:
        column: numbers, or numbers as text; for `datetime` dates, timestamps or ISO
            8601 text, in UTC unless they have an offset.
        written: format of the times.

    Raises:
        ValueError: the source has another type.
    """
    found = column.type()
    if written == "datetime":
        _require(column, found.is_temporal() or found.is_string(), "dates and times")
        # A cast of text to a timestamp without a zone would ignore "+02:00".
        moment = column.cast("timestamp('UTC')")
        epoch = ibis.literal("1970-01-01T00:00:00Z", type="timestamp('UTC')")
        return moment.delta(epoch, unit="second").cast("int64")
    _require(column, found.is_numeric() or found.is_string(), written)
    # A cast of anything but integers rounds.
    whole = column if found.is_integer() else column.cast("float64").floor()
    number = whole.cast("int64")
    return number // _MILLISECONDS if written == "milliseconds" else number


def as_feature(column: ir.Column, kept: FeatureType, separator: str) -> ir.Column:
    """Return a feature's values, unchanged.

    Args:
        column: values of a type that `kept` can hold; text can be kept as any type.
        kept: `text` (string), `integer` (int64), `number` (float32) or `list`
            (array<string>, without blanks, never null). Text that is not a number fails
            when the table is computed.
        separator: text between the values of a list that is given as text.

    Raises:
        ValueError: the source has a type that can't be kept as `kept`.
    """
    found = column.type()
    if kept == "list":
        _require(column, found.is_array() or found.is_string(), "lists")
        return _as_list(column.split(separator) if found.is_string() else column)
    if kept == "text":
        _require(column, not found.is_nested(), "text")
        return column.cast("string")
    if kept == "integer":
        return _as_integer(column)
    _require(column, found.is_numeric() or found.is_string(), "numbers")
    return column.cast("float32")


def _as_integer(column: ir.Column) -> ir.Column:
    found = column.type()
    _require(column, found.is_integer() or found.is_string(), "whole numbers")
    if found.is_integer():
        return column.cast("int64")
    # A cast would round "1.5" and read "1e3" as 1000. The text put in place of these
    # makes the cast fail, with a message that shows it.
    refused = ibis.literal(f"{column.get_name()} is not a whole number: ") + column
    return column.re_search(_WHOLE_NUMBER).ifelse(column, refused).cast("int64")


def _as_list(values: ir.ArrayValue) -> ir.ArrayValue:
    texts = values.cast("array<string>").map(lambda value: value.strip())
    present = texts.filter(lambda text: text.length() > 0)
    return ibis.coalesce(present, ibis.literal([], type="array<string>"))


def _require(column: ir.Column, is_met: bool, wanted: str) -> None:  # noqa: FBT001
    if not is_met:
        raise ValueError(
            f"column {column.get_name()} has the type {column.type()}, but ingestion's "
            f"parameters declare {wanted}; correct the parameters or the source"
        )
