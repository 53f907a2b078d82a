"""Columns brought to the types that the later pipelines count on."""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from .params import FeatureType, IdType, TimestampFormat

_MILLISECONDS = 1000  # per second
_WHOLE_NUMBER = r"^\s*[+-]?[0-9]+\s*$"


def require_columns(
    table: ir.Table, columns: Iterable[str | None], source: str
) -> None:
    """Refuse a table without one of the columns.

    Args:
        table: as the source has it.
        columns: those needed; None stands for one that isn't.
        source: what to call the table.

    Raises:
        ValueError: one or more are missing.
    """
    missing = sorted({name for name in columns if name} - set(table.columns))
    if missing:
        raise ValueError(
            f"{source} has no column {', '.join(missing)}; it has "
            f"{', '.join(table.columns)}. Set ingestion.columns and ingestion.features"
        )


def as_id(column: ir.Column, id_type: IdType) -> ir.Column:
    """Return ids as int64 or string, never changing one.

    Args:
        column: the ids, whole numbers or text.
        id_type: what they are to be; text that is no whole number fails as an integer
            when the table is computed.

    Raises:
        ValueError: the ids were read as another type, which may have changed them
            already: "007" read as a number is 7.
    """
    found = column.type()
    if id_type == "text":
        _require(column, found.is_string() or found.is_uuid(), "text")
        return column.cast("string")
    return _as_integer(column)


def as_seconds(column: ir.Column, written: TimestampFormat) -> ir.Column:
    """Return times as int64 seconds since 1970 in UTC, fractions cut off.

    Args:
        column: numbers or text of them; for `datetime` dates, timestamps, or text as
            ISO 8601 writes them, in UTC unless they say otherwise.
        written: which of them.

    Raises:
        ValueError: the column was read as another type.
    """
    found = column.type()
    if written == "datetime":
        _require(column, found.is_temporal() or found.is_string(), "dates and times")
        # A cast of text to a plain timestamp would drop "+02:00" without a word.
        moment = column.cast("timestamp('UTC')")
        epoch = ibis.literal("1970-01-01T00:00:00Z", type="timestamp('UTC')")
        return moment.delta(epoch, unit="second").cast("int64")
    _require(column, found.is_numeric() or found.is_string(), written)
    # A cast of anything but integers rounds.
    whole = column if found.is_integer() else column.cast("float64").floor()
    number = whole.cast("int64")
    return number // _MILLISECONDS if written == "milliseconds" else number


def as_feature(column: ir.Column, kept: FeatureType, separator: str) -> ir.Column:
    """Return a feature's values.

    Args:
        column: of a type that can be kept so; text can be kept as any.
        kept: `text` (string), `integer` (int64), `number` (float32) or `list`
            (array<string>, without blanks and never null). Text that is none of the
            numbers asked for fails when the table is computed.
        separator: between the values of a list that is given as text.

    Raises:
        ValueError: the column was read as a type that can't be kept so unchanged.
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
    # A cast would round "1.5" and take "1e3" for 1000. Of any other text it fails and
    # shows it: so of these, with a reason.
    refused = ibis.literal(f"{column.get_name()} is no whole number: ") + column
    return column.re_search(_WHOLE_NUMBER).ifelse(column, refused).cast("int64")


def _as_list(values: ir.ArrayValue) -> ir.ArrayValue:
    texts = values.cast("array<string>").map(lambda value: value.strip())
    known = texts.filter(lambda text: text.length() > 0)
    return ibis.coalesce(known, ibis.literal([], type="array<string>"))


def _require(column: ir.Column, is_met: bool, wanted: str) -> None:  # noqa: FBT001
    if not is_met:
        raise ValueError(
            f"column {column.get_name()} was read as {column.type()}, but ingestion's "
            f"parameters say {wanted}: correct them, or the type in the source"
        )
