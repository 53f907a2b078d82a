"""Dates written as a format of `strptime` says, as seconds since 1970 (UTC)."""

import re
from functools import reduce
from operator import add
from typing import Final

import ibis
import ibis.expr.types as ir

_MONTHS: Final = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
_DIRECTIVES: Final = {
    "%Y": "([0-9]{4})",
    "%y": "([0-9]{2})",
    "%m": "([0-9]{1,2})",
    "%d": "([0-9]{1,2})",
    "%b": r"([^\s0-9.,/-]{3,})\.?",
    "%H": "([0-9]{1,2})",
    "%I": "([0-9]{1,2})",
    "%p": "([aApP])[.]?[mM][.]?",
    "%M": "([0-9]{1,2})",
    "%S": "([0-9]{1,2})",
    "%f": "([0-9]+)",
    "%z": "([Zz]|[+-][0-9]{2}:?[0-9]{2})",
    "%a": r"([^\s0-9.,]+)[.]?",
}
"""A directive of `strptime` → the pattern of its text."""
_SYNONYMS: Final = {"%B": "%b", "%A": "%a"}
_FIRST_YEAR_OF_1900S: Final = 69  # as strptime reads %y: 69 is 1969, 68 is 2068


def parse_format(written: str) -> tuple[str, dict[str, int]]:
    """Return a format of `strptime` as a pattern, and its directives' groups.

    Args:
        written: for example `%d.%m.%Y %H:%M`.

    Returns:
        A regular expression, and directive → number of its group, from 1.

    Raises:
        ValueError: a directive is unknown or repeated, or there is no year.
    """
    groups: dict[str, int] = {}
    pattern = ""
    for token in re.findall(r"%.|\s+|[^%\s]|%", written.strip()):
        name = _SYNONYMS.get(token, token)
        if token.isspace():
            pattern += r"\s+"
        elif not token.startswith("%"):
            pattern += re.escape(token)
        elif name not in _DIRECTIVES or name in groups:
            raise ValueError(
                f"the format {written!r} has the directive {token} "
                f"{'twice' if name in groups else 'that is not read'}; use each once "
                f"of {', '.join([*_DIRECTIVES, *_SYNONYMS])}"
            )
        else:
            groups[name] = len(groups) + 1
            pattern += _DIRECTIVES[name]
    if not {"%Y", "%y"} & groups.keys():
        raise ValueError(f"the format {written!r} has no year; write %Y or %y in it")
    if ("%p" in groups) != ("%I" in groups):
        raise ValueError(f"the format {written!r} needs %I and %p together, or %H")
    return rf"^\s*{pattern}\s*$", groups


def seconds_of_text(column: ir.StringColumn, written: str) -> ir.IntegerColumn:
    """Return text dates as int64 seconds since 1970, null where they do not fit.

    Args:
        column: text; a month's name is English, times without %z are UTC.
        written: as for `parse_format`. A month or day that it lacks is the first,
            an hour, minute or second is 0; fractions of a second are cut off.
    """
    pattern, groups = parse_format(written)
    found = {name: column.re_extract(pattern, group) for name, group in groups.items()}
    minute, second = (found.get(name, ibis.literal("0")) for name in ("%M", "%S"))
    parts = [
        _year(found),
        _month(found),
        found.get("%d", ibis.literal("1")),
        _hour(found),
        minute,
        second,
    ]
    texts = [part.lpad(2, "0") for part in parts]
    marks = ["-", "-", " ", ":", ":", ""]
    iso = reduce(add, (t + mark for t, mark in zip(texts, marks, strict=True)))
    matched = column.re_search(pattern).ifelse(iso, ibis.null("string"))
    seconds = seconds_of(matched.try_cast("timestamp('UTC')"))
    return seconds - _offset(found["%z"]) if "%z" in found else seconds


def seconds_of(moment: ir.TimestampColumn) -> ir.IntegerColumn:
    """Return int64 seconds since 1970 of timestamps in UTC."""
    epoch = ibis.literal("1970-01-01T00:00:00Z", type="timestamp('UTC')")
    return moment.delta(epoch, unit="second").cast("int64")


def _year(found: dict[str, ir.StringColumn]) -> ir.StringColumn:
    if "%Y" in found:
        return found["%Y"]
    year = found["%y"]
    is_1900s = year.try_cast("int64") >= _FIRST_YEAR_OF_1900S
    return is_1900s.ifelse("19", "20") + year


def _month(found: dict[str, ir.StringColumn]) -> ir.StringColumn:
    if "%m" in found:
        return found["%m"]
    if "%b" not in found:
        return ibis.literal("1")
    short = found["%b"].lower().substr(0, 3)
    numbers = [(short == name, str(i)) for i, name in enumerate(_MONTHS, 1)]
    # A word that is no month becomes month 0, which no date has.
    return ibis.cases(*numbers, else_="0")


def _hour(found: dict[str, ir.StringColumn]) -> ir.StringColumn:
    if "%I" not in found:
        return found.get("%H", ibis.literal("0"))
    hour = found["%I"].try_cast("int64")
    is_afternoon = found["%p"].lower() == "p"
    in_day = hour % 12 + is_afternoon.ifelse(12, 0)
    return hour.between(1, 12).ifelse(in_day.cast("string"), "99")


def _offset(text: ir.StringColumn) -> ir.IntegerColumn:
    """Return the seconds that a local time is ahead of UTC."""
    digits = text.re_replace(r"[^0-9]", "")
    hours, minutes = (digits.substr(i, 2).try_cast("int64") for i in (0, 2))
    ahead = (hours * 3600 + minutes * 60).fill_null(0)  # Z has no digits
    return text.startswith("-").ifelse(-ahead, ahead)
