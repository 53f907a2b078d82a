"""Columns of a source in the types that later pipelines read.

Each reader returns nulls where a value does not fit, never another value, so that one
aggregate counts what does not fit before an engine refuses it (see `faults`). Ibis
writes the expressions for any SQL engine.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import ibis
import ibis.expr.types as ir

WHOLE_NUMBER: Final = r"^\s*[+-]?[0-9]+(\.0*)?\s*$"
"""12, 007 and 12.0, but not 1e3: an exponent has lost the digits of an id."""
NUMBER: Final = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_EXACT: Final = {"float64": 2**53, "float32": 2**24, "float16": 2**11}
"""From here on, floats of a type skip whole numbers."""
_PRICE: Final = (
    r"^\s*([+-]?)(?:[^0-9.,+-]|[.,][^0-9])*"  # a sign, a currency such as Fr.
    r"((?:[0-9]{1,3}(?:[%s'\x{2019}\s\x{a0}][0-9]{3})+|[0-9]+)(?:[%s][0-9]+)?)[^0-9]*$"
)
"""A number among other text, which has no digits; filled with the marks of thousands
and of decimals."""


@dataclass(frozen=True)
class Typed:
    """A column of a source in another type.

    Attributes:
        values: the values in the type that later pipelines read, null where a value of
            the source is missing or does not fit.
        source: the column of the source; a missing value is null.
        wanted: what the values must be, in words.
    """

    values: ir.Column
    source: ir.Column
    wanted: str

    @property
    def is_missing(self) -> ir.BooleanColumn:
        """Whether the source has no value; never null."""
        return self.source.isnull()

    @property
    def is_unfit(self) -> ir.BooleanColumn:
        """Whether the source has a value that does not fit; never null."""
        return self.source.notnull() & self.values.isnull()


def require_columns(
    table: ir.Table, columns: Iterable[str | None], source: str
) -> None:
    """Refuse a table that lacks a column.

    Args:
        table: a table of the source.
        columns: names of the needed columns; None is skipped.
        source: name of the table in messages.

    Raises:
        ValueError: naming the missing columns, and those with a similar name.
    """
    missing = sorted({name for name in columns if name} - set(table.columns))
    if missing:
        similar = {
            name: get_close_matches(name.lower().strip(), table.columns, 1)
            for name in missing
        }
        guesses = "".join(
            f" ({found[0]!r} instead of {name!r}?)"
            for name, found in similar.items()
            if found
        )
        raise ValueError(
            f"{source} has no column {', '.join(missing)}; it has "
            f"{', '.join(table.columns)}{guesses}. Name these in ingestion.columns and "
            "ingestion.features"
        )


def mark_missing(
    table: ir.Table, columns: Iterable[str | None], texts: Iterable[str]
) -> ir.Table:
    """Return the table with null for each value that means missing.

    Args:
        table: a table of the source.
        columns: the columns to read; None is skipped. Others are dropped.
        texts: further values that mean missing, as text.

    Returns:
        The columns. Blank text and NaN are null.
    """
    needed = sorted({name for name in columns if name})
    means_missing = list(texts)

    def marked(name: str) -> ir.Column:
        column, found = table[name], table[name].type()
        if found.is_nested():
            return column
        is_missing = column.isnull()
        if found.is_string():
            is_missing = column.strip() == ""
        elif found.is_floating():
            is_missing = column.isnan()
        if means_missing:
            text = column.cast("string").strip()
            is_missing = is_missing | text.isin(means_missing)
        return is_missing.ifelse(ibis.null(found), column)

    return table.select(**{name: marked(name) for name in needed})


def read_id(column: ir.Column, id_type: str) -> Typed:
    """Read ids as int64 or string, unchanged.

    Args:
        column: text, whole numbers, or floats and decimals without a fraction.
        id_type: `integer` or `text`. Whole numbers become the text of their digits.

    Raises:
        ValueError: the source has another type.
    """
    if id_type == "integer":
        return read_integers(column)
    found = column.type()
    is_read = found.is_string() or found.is_uuid() or found.is_numeric()
    require_type(column, is_read and not found.is_boolean(), "text ids")
    if found.is_floating() or found.is_decimal():
        whole = read_integers(column)
        return Typed(whole.values.cast("string"), column, "whole numbers")
    return Typed(column.cast("string"), column, "text")


def read_integers(column: ir.Column) -> Typed:
    """Read whole numbers as int64.

    Args:
        column: whole numbers, as integers, floats, decimals or text (`12`, `12.0`).
            Floats that are too great to be exact do not fit.

    Raises:
        ValueError: the source has another type.
    """
    found, wanted = column.type(), "whole numbers"
    require_type(column, found.is_numeric() or found.is_string(), wanted)
    if found.is_string():
        digits = column.strip().re_replace(r"\.0*$", "")
        numbers = digits.try_cast("int64")
        is_whole = column.re_search(WHOLE_NUMBER)
    elif found.is_floating():
        numbers = column.try_cast("int64")
        exact = _EXACT[str(found.copy(nullable=True))]
        is_whole = (column % 1 == 0) & (column.abs() < exact)
    else:
        numbers = column.try_cast("int64")
        is_whole = numbers.notnull()
        if found.is_decimal():
            is_whole = column % 1 == 0
    return Typed(is_whole.ifelse(numbers, ibis.null("int64")), column, wanted)


def read_numbers(column: ir.Column, decimal: str) -> Typed:
    """Read finite numbers as float32.

    Args:
        column: numbers, truth values (1 and 0), or numbers as text.
        decimal: the decimal mark of text, "." or ",".

    Raises:
        ValueError: the source has another type.
    """
    found, wanted = column.type(), "numbers"
    is_read = found.is_numeric() or found.is_boolean() or found.is_string()
    require_type(column, is_read, wanted)
    return Typed(_finite(as_float64(column, decimal), "float32"), column, wanted)


def read_prices(column: ir.Column, decimal: str) -> Typed:
    """Read prices as float32, without their currency: `$1,299.00`, `12,50 €`, `Fr. 5`.

    Args:
        column: numbers, or text with one number, which may have marks of thousands.
        decimal: the decimal mark of text, "." or ",".

    Raises:
        ValueError: the source has another type.
    """
    found, wanted = column.type(), "prices"
    if not found.is_string():
        numbers = read_numbers(column, decimal)
        return Typed(numbers.values, column, wanted)
    pattern = _PRICE % (("." if decimal == "," else ","), decimal)
    number = column.re_extract(pattern, 2).re_replace(rf"[^0-9{decimal}]", "")
    text = column.re_extract(pattern, 1) + number.replace(decimal, ".")
    is_price = column.re_search(pattern)
    price = is_price.ifelse(text, ibis.null("string")).try_cast("float64")
    return Typed(_finite(price, "float32"), column, wanted)


def as_float64(column: ir.Column, decimal: str) -> ir.FloatingColumn:
    """Return numbers, or numbers as text, as float64; null where text is no number."""
    if not column.type().is_string():
        return column.try_cast("float64")
    is_number = column.re_search(NUMBER.replace(r"\.", f"[{decimal}]"))
    text = is_number.ifelse(column.strip().replace(decimal, "."), ibis.null("string"))
    return text.try_cast("float64")


def as_whole(numbers: ir.FloatingColumn) -> ir.IntegerColumn:
    """Return int64 without the fraction; null for infinite and too great numbers."""
    # Ibis casts what its floor returns, which fails for these.
    return (numbers - numbers % 1).try_cast("int64")


def read_text(column: ir.Column) -> Typed:
    """Read single values as text.

    Raises:
        ValueError: the source has lists or groups of values, or bytes.
    """
    found = column.type()
    require_type(column, not (found.is_nested() or found.is_binary()), "text")
    return Typed(column.cast("string"), column, "text")


def or_false(condition: ir.BooleanValue) -> ir.BooleanValue:
    """Return a condition, false where it is null."""
    return ibis.coalesce(condition, ibis.literal(value=False))


def require_type(column: ir.Column, is_met: bool, wanted: str) -> None:  # noqa: FBT001
    """Refuse a column of another type than its reader reads.

    Raises:
        ValueError: naming the column, its type and what the parameters declare.
    """
    if not is_met:
        raise ValueError(
            f"column {column.get_name()} has the type {column.type()}, but ingestion's "
            f"parameters declare {wanted}; correct the parameters or the source"
        )


def _finite(numbers: ir.FloatingColumn, dtype: str) -> ir.FloatingColumn:
    """Return numbers of a type; null for those that are infinite, NaN or too great."""
    cast = numbers.try_cast(dtype)
    is_finite = cast.notnull() & ~cast.isnan() & ~cast.isinf()
    return is_finite.ifelse(cast, ibis.null(dtype))
