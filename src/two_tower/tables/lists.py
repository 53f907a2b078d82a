"""Lists of a source, given as lists or as text."""

from typing import Final

import ibis
import ibis.expr.types as ir

from two_tower.tables.columns import Typed, require_type

_QUOTED: Final = r"""(?:'(?:[^'\\]|\\['"\\])*'|"(?:[^"\\]|\\['"\\])*")"""
_BARE: Final = r"""[^\s'",()\[\]{}][^'",()\[\]{}]*"""
_OF_TEXTS: Final = (
    rf"^\s*[\[({{]\s*(?:{_QUOTED}\s*(?:,\s*{_QUOTED}\s*)*)?,?\s*[\])}}]\s*$"
)
_OF_BARE: Final = rf"^\s*[\[({{]\s*{_BARE}(?:,\s*{_BARE})*,?\s*[\])}}]\s*$"
_BETWEEN_TEXTS: Final = r"""['"]\s*,\s*['"]"""
_START: Final = r"""^\s*[\[({]\s*['"]?"""
_END: Final = r"""['"]?\s*,?\s*[\])}]\s*$"""
BRACKETED: Final = r"^\s*(\[.*\]|\(.*\)|\{.*\})\s*$"
"""Text that looks like a list of Python or JSON."""
_NOTHING: Final = ("None", "null", "nan", "NaN")
"""Values of a list without quotes that mean missing."""


def read_list(column: ir.Column, written: str, separator: str) -> Typed:
    """Read lists as array<string>, without blanks.

    Args:
        column: lists of single values, or text.
        written: format of text: `separated`; `json` (`["a", "b"]`, which Ibis reads on
            DuckDB only); or `python`, as pandas writes lists (`['a', 'b']`).
        separator: text between the values of separated text.

    Raises:
        ValueError: the source has another type, or lists of lists or of groups.
    """
    found = column.type()
    require_type(column, found.is_array() or found.is_string(), "lists")
    if found.is_array():
        inner = found.value_type
        require_type(column, not (inner.is_nested() or inner.is_binary()), "flat lists")
        return _typed(column.cast("array<string>"), column, "flat lists")
    if written == "json":
        return _typed(_from_json(column), column, "flat lists in JSON")
    if written == "python":
        return _typed(_from_python(column), column, "flat lists of Python")
    return _typed(column.split(separator), column, "lists")


def or_empty(lists: ir.ArrayColumn) -> ir.ArrayColumn:
    """Return the lists, empty ones in place of null."""
    return ibis.coalesce(lists, ibis.literal([], type="array<string>"))


def _typed(lists: ir.ArrayColumn, column: ir.Column, wanted: str) -> Typed:
    texts = lists.map(lambda value: value.strip())
    present = texts.filter(lambda text: text.length() > 0)
    return Typed(present, column, wanted)


def _from_json(column: ir.StringColumn) -> ir.ArrayColumn:
    parsed = column.try_cast("json")
    entries = parsed.array.map(lambda entry: entry.cast("string").substr(0, 1))
    nested = entries.filter(lambda start: start.isin(["[", "{"]))
    values = parsed.try_cast("array<string>")
    is_flat = nested.length() == 0  # null if the text is no list
    return is_flat.ifelse(values, ibis.null("array<string>"))


def _from_python(column: ir.StringColumn) -> ir.ArrayColumn:
    inside = column.re_replace(_START, "").re_replace(_END, "")
    texts = inside.re_split(_BETWEEN_TEXTS).map(_without_escapes)
    bare = inside.re_split(r"\s*,\s*").filter(lambda value: value.notin(_NOTHING))
    return ibis.cases(
        (column.re_search(_OF_TEXTS), texts),
        (column.re_search(_OF_BARE), bare),
        else_=ibis.null("array<string>"),
    )


def _without_escapes(text: ir.StringValue) -> ir.StringValue:
    for escaped in ("'", '"', "\\"):
        text = text.replace(f"\\{escaped}", escaped)
    return text
