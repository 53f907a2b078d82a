"""Guess of the unit or format in which a column writes times."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from statistics import median
from typing import Final

from two_tower.new_environment.values import Column
from two_tower.tables.hints import LIKELY_DAYS, LIKELY_SECONDS, is_within
from two_tower.tables.times import UNITS

_ISO: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?"
)
_DATES: Final = (
    "%d.%m.%Y",
    "%d.%m.%y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y-%m-%d",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%m %d, %Y",
)
_CLOCKS: Final = ("", "%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H:%M:%S.%f")
_ZONES: Final = ("", "%z", " %z", " UTC")
_COMPACT: Final = ("%Y%m%d", "%Y%m%d%H%M%S", "%Y%m%d%H%M")
_OTHERS: Final = ("%a %b %d %H:%M:%S %z %Y", "%d/%b/%Y:%H:%M:%S %z")
_FORMATS: Final = (
    *_COMPACT,
    *(
        f"{date}{joint}{clock}{zone}"
        for date in _DATES
        for clock in _CLOCKS
        for joint in ([" ", "T"] if clock else [""])
        for zone in (_ZONES if clock else [""])
    ),
    *_OTHERS,
)
_TRIED: Final = 500  # values that a format must fit


@dataclass(frozen=True)
class TimeFormat:
    """How a column writes times.

    Attributes:
        written: a unit, `datetime`, `excel` or a format of `strptime`.
        others: further formats that all sampled values fit.
        is_relative: the numbers are no times since 1970, but their order may be used.
    """

    written: str
    others: tuple[str, ...] = ()
    is_relative: bool = False

    @property
    def is_format(self) -> bool:
        return "%" in self.written


def guess_times(column: Column) -> TimeFormat | None:
    """Return how a column writes times, or None if its values are no times."""
    if not column.texts:
        return None
    if column.decimal == ".":
        return _unit(column)
    if all(map(_ISO.fullmatch, column.distinct)):
        return TimeFormat("datetime")
    return _format(column, _FORMATS)


def relative_times(column: Column) -> TimeFormat | None:
    """Return seconds for numbers that count from any start, such as days 1 to 90.

    Ingestion reads none that would lie before 1970 or after 2099.
    """
    readable = range(LIKELY_SECONDS.stop)
    if column.decimal != "." or not all(is_within(n, readable) for n in column.numbers):
        return None
    return TimeFormat("seconds", is_relative=True)


def _unit(column: Column) -> TimeFormat | None:
    # A date of 8 or 14 digits would also be seconds or milliseconds.
    if compact := _format(column, _COMPACT):
        return compact
    middle = median(column.numbers)
    for unit, per_second in UNITS.items():
        if is_within(middle / per_second, LIKELY_SECONDS):
            return TimeFormat(unit)
    is_days = all(is_within(number, LIKELY_DAYS) for number in column.numbers)
    # Whole days are as often ids; a spreadsheet's times have fractions.
    has_fractions = any(number % 1 for number in column.numbers)
    return TimeFormat("excel") if is_days and has_fractions else None


def _format(column: Column, formats: tuple[str, ...]) -> TimeFormat | None:
    texts = list(islice(column.distinct, _TRIED))
    shape = _shape(texts[0])
    fitting = {
        written: span
        for written in formats
        # A new format costs strptime much more than a shape.
        if _shape_of(written) == shape and (span := _span(texts, written)) is not None
    }
    if not fitting:
        return None
    # Day and month in the wrong order spread the dates of a few weeks over a year.
    best = min(fitting, key=lambda written: (fitting[written], formats.index(written)))
    others = tuple(written for written in fitting if written != best)
    return TimeFormat(best, others)


def _shape(text: str) -> str:
    """Return a text with its numbers, words and zone replaced by marks."""
    zoned = re.sub(r"(Z|[+-]\d{2}:?\d{2})$| [+-]\d{4} ", "~", text.strip())
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", zoned))


@cache
def _shape_of(written: str) -> str:
    return _shape(datetime(2020, 9, 24, 23, 59, 58, 7, UTC).strftime(written))


def _span(texts: list[str], written: str) -> float | None:
    """Return the seconds from the first to the last time, None if one does not fit."""
    try:
        times = [_parse(text, written).timestamp() for text in texts]
    except ValueError:
        return None
    is_likely = all(is_within(one, LIKELY_SECONDS) for one in (min(times), max(times)))
    return max(times) - min(times) if is_likely else None


def _parse(text: str, written: str) -> datetime:
    if written in _COMPACT and len(text) != len(datetime.now(UTC).strftime(written)):
        raise ValueError  # strptime reads 6 digits as a date of 8
    moment = datetime.strptime(text, written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
