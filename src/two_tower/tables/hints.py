"""Advice on values that do not fit: the key of ingestion to change, and to what."""

import re
from datetime import UTC, datetime
from typing import Final

from two_tower.tables.times import UNITS

_FIRST_YEAR, _LAST_YEAR = 1990, 2100
LIKELY_SECONDS: Final = range(
    *(int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (_FIRST_YEAR, _LAST_YEAR))
)
"""Seconds since 1970 of the years that times are likely to lie in."""
LIKELY_DAYS: Final = range(32_874, 73_051)
"""Days of the same years, as spreadsheets count them."""

_PROPOSED: Final = 2  # 03.04.2020 has two readings
_FORMATS: Final = (
    "%Y%m%d",
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M",
    *(
        f"{date}{time}"
        for date in (
            "%d.%m.%Y",
            "%d/%m/%Y",
            "%m/%d/%Y",
            "%d-%m-%Y",
            "%d.%m.%y",
            "%d/%m/%y",
            "%m/%d/%y",
            "%d %b %Y",
            "%d-%b-%Y",
            "%b %d, %Y",
            "%b %d %Y",
        )
        for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
    ),
    "%m %d, %Y",
    "%a %b %d %H:%M:%S %z %Y",
    "%a, %d %b %Y %H:%M:%S %z",
)
_MISSING: Final = {
    "",
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "nil",
    "?",
    "-",
    "--",
    "\\n",
    "unknown",
    "missing",
    "#n/a",
    "undefined",
}
"""Texts, in lower case, that usually stand for a missing value."""
PLACEHOLDERS: Final = sorted(_MISSING - {""})


def on_time(value: str, written: str) -> str:
    """Return which `ingestion.timestamps` would read a time, if any.

    Args:
        value: the time as text.
        written: the declared unit or format.
    """
    text = value.strip()
    fits = _fitting_units(text)
    fits += [f'{{format: "{one}"}}' for one in _FORMATS if _reads(text, one)]
    if _is_iso(text):
        fits = ["datetime"]
    declared = (written, f'{{format: "{written}"}}')
    others = [one for one in fits if one not in declared][:_PROPOSED]
    if others:
        return f"it would fit ingestion.timestamps: {' or '.join(others)}"
    return _on_missing(text) or f"ingestion.timestamps is {written}"


def on_number(value: str) -> str:
    """Return what would read text as a number, if anything."""
    text = value.strip()
    if re.fullmatch(r"[+-]?\d*,\d+", text):
        return 'it would fit ingestion.decimal: ","'
    if re.fullmatch(r"[+-]?\d*\.\d+", text):
        return 'it would fit ingestion.decimal: "."'
    if text.lower() in {"true", "false", "yes", "no", "t", "f", "y", "n"}:
        return "write 1 and 0"
    if re.search(r"\d", text):
        return "for amounts of money and marks of thousands declare the type price"
    return _on_missing(text)


def on_price(value: str) -> str:
    """Return what a text needs to be read as a price."""
    return _on_missing(value.strip()) or "a price is one number beside its currency"


def on_id(value: str) -> str:
    """Return what would read a value as an id, if anything."""
    return on_whole_number(value) or "declare text in ingestion.ids"


def on_whole_number(value: str) -> str:
    """Return why a value is not read as a whole number, if that can be said."""
    text = value.strip().lower()
    if re.fullmatch(r"[+-]?\d+(\.0*)?|[+-]?\d+(\.\d+)?e[+-]?\d+", text):
        return "it is not exact, or beyond 64 bits"
    return _on_missing(value.strip())


def on_list(value: str) -> str:
    """Return which format of a list would read text, if any."""
    text = value.strip()
    if text.startswith("["):
        return "its format is json, python or separated; lists of lists are not read"
    return _on_missing(text) or "its format is separated"


def is_within(number: float, whole: range) -> bool:
    """Return whether a number, or its whole part, is within a range."""
    return whole.start <= number < whole.stop


def _on_missing(text: str) -> str:
    if text.lower() not in _MISSING:
        return ""
    return f"if it means missing, add {text!r} to ingestion.missing"


def _fitting_units(text: str) -> list[str]:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return []
    if is_within(number, LIKELY_DAYS):
        return ["excel"]
    return [unit for unit, n in UNITS.items() if is_within(number / n, LIKELY_SECONDS)]


def _reads(text: str, written: str) -> bool:
    try:
        moment = datetime.strptime(text, written)
    except ValueError:
        return False
    return _FIRST_YEAR <= moment.year < _LAST_YEAR


def _is_iso(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text)) and not text.isdigit()
    except ValueError:
        return False
