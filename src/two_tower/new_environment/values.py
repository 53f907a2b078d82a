"""What the sampled values of a column look like."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

Decimal = Literal[".", ","]

_WHOLE: Final = re.compile(r"-?(0|[1-9]\d{0,17})(\.0)?")
_NUMBERS: Final[dict[Decimal, re.Pattern[str]]] = {
    ".": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
    ",": re.compile(r"[+-]?(\d+,?\d*|,\d+)"),
}
_PRICE: Final = re.compile(
    r"(?:[$€£¥₹]|CHF|EUR|USD|GBP|Fr\.)\s?-?\d[\d.,'\s]*"
    r"|-?\d[\d.,'\s]*\s?(?:[$€£¥₹]|CHF|EUR|USD|GBP|Fr\.)"
)
_THOUSANDS: Final[dict[Decimal, re.Pattern[str]]] = {
    ".": re.compile(r"-?\d{1,3}([,']\d{3})*(\.\d+)?"),
    ",": re.compile(r"-?\d{1,3}([.']\d{3})*(,\d+)?"),
}
_FRACTION: Final = re.compile(r"([.,])\d{1,2}\D*$")  # of a price; three are thousands
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?")
_MISSING: Final = {"NA", "N/A", "n/a", "NULL", "null", "None", "nan", "NaN", r"\N", "?"}
_LONG: Final = 60  # characters, on average, of a text rather than a name or category


@dataclass(frozen=True)
class Column:
    """A column's values in the first rows of a table.

    Attributes:
        name: name in the source.
        values: texts or lists of texts; None is missing.
    """

    name: str
    values: Sequence[Any]

    @cached_property
    def texts(self) -> list[str]:
        """The texts that are neither missing nor a usual mark of missing values."""
        stripped = (v.strip() for v in self.values if isinstance(v, str))
        return [text for text in stripped if text and text not in _MISSING]

    @cached_property
    def distinct(self) -> set[str]:
        return set(self.texts)

    @property
    def marks_of_missing(self) -> set[str]:
        """The values that mostly mean missing: `NA`, `?` and others."""
        return _MISSING & {v.strip() for v in self.values if isinstance(v, str)}

    @property
    def holds_lists(self) -> bool:
        return any(isinstance(value, list) for value in self.values)

    @property
    def is_whole(self) -> bool:
        """Return whether all values are whole numbers, without leading zeros."""
        return self._match(_WHOLE)

    @cached_property
    def decimal(self) -> Decimal | None:
        """The decimal mark with which all values are numbers, or None."""
        fitting = (mark for mark, of in _NUMBERS.items() if self._match(of))
        return next(fitting, None)

    @property
    def is_price(self) -> bool:
        """Return whether all are amounts: with a currency or marks of thousands."""
        has_marks = self.decimal is None and any(map(self._match, _THOUSANDS.values()))
        return has_marks or self._match(_PRICE)

    @property
    def has_comma(self) -> bool:
        """Return whether the decimal mark of numbers or prices is a comma."""
        if self.decimal or not self.is_price:
            return self.decimal == ","
        fractions = [_FRACTION.search(text) for text in self.distinct]
        return {found[1] for found in fractions if found} == {","}

    @property
    def holds_clocks(self) -> bool:
        """Return whether all values are times of a day without a date."""
        return self._match(_CLOCK)

    @property
    def is_long(self) -> bool:
        return sum(map(len, self.texts)) > _LONG * max(len(self.texts), 1)

    @cached_property
    def numbers(self) -> list[float]:
        """The values as numbers, of a column with a decimal mark."""
        return [float(text.replace(",", ".")) for text in self.texts]

    def _match(self, pattern: re.Pattern[str]) -> bool:
        return bool(self.texts) and all(map(pattern.fullmatch, self.distinct))


def most_frequent(values: Iterable[str], n_shown: int) -> str:
    """Return the most frequent values with their counts, as text."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{value} ({count:,})" for value, count in ranked[:n_shown])
    return shown + (", …" if len(ranked) > n_shown else "")
