"""Guess of the features in a table of items or users."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from two_tower.new_environment.times import guess_times
from two_tower.new_environment.values import Column, most_frequent

_RESERVED: Final = {"item_id", "user_id", "title", "title_words"}
_LIST_SEPARATORS: Final = ("|", ";", ",", "/")
_MAX_CATEGORIES: Final = (
    50  # distinct whole numbers of a category rather than an amount
)
_SHARE_OF_LISTS: Final = 0.2  # least share of texts with the separator
_SHARE_OF_DISTINCT: Final = 0.5  # largest share of distinct values of a category
_FEW_ROWS: Final = 20
_JSON_LIST: Final = re.compile(r"\[\s*(\".*\"|[^'\"]*)?\s*\]")
_PYTHON_LIST: Final = re.compile(r"\[.*\]|\(.*\)|\{.*\}")
_OBJECT: Final = re.compile(r"\{\s*['\"][^'\"]*['\"]\s*:")
_ADDRESS: Final = re.compile(r"https?://|www\.")


@dataclass(frozen=True)
class Feature:
    """A guess of one column.

    Attributes:
        name: name of the feature, fit for YAML and Keras.
        column: name in the source.
        ingested: further options of `ingestion.features`, with its `type`.
        kind: kind in `sequencing.features`.
        reason: why, a short sentence.
    """

    name: str
    column: str
    ingested: dict[str, Any]
    kind: str
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A column that becomes no feature."""

    column: str
    reason: str


def guess_features(
    columns: Sequence[Column], separator: str
) -> tuple[list[Feature], list[Skipped]]:
    """Return the features of columns, and the columns that are none.

    Args:
        columns: first rows of the columns that have no other role.
        separator: the separator of the file, which no list within it uses.
    """
    features: list[Feature] = []
    skipped: list[Skipped] = []
    for column in columns:
        if reason := _no_feature(column):
            skipped.append(Skipped(column.name, reason))
            continue
        ingested, kind, reason = _guess(column, separator)
        if kind is None:
            skipped.append(Skipped(column.name, reason))
            continue
        taken = _RESERVED | {feature.name for feature in features}
        name = _free_name(column.name, taken)
        features.append(Feature(name, column.name, ingested, kind, reason))
    return features, skipped


def _no_feature(column: Column) -> str | None:
    if not any(column.values if column.holds_lists else column.texts):
        return "no values in the first rows"
    if column.holds_lists:
        return "lists of fractions, such as vectors" if _is_vector(column) else None
    if _ADDRESS.match(column.texts[0]):
        return "addresses"
    if _OBJECT.match(column.texts[0]):
        return "objects; of JSON lines, columns of the catalog read one key of it"
    times = guess_times(column)
    if times is not None and (column.decimal is None or times.is_format):
        return "dates; a year of its own could be a feature"
    return None


def _guess(column: Column, separator: str) -> tuple[dict[str, Any], str | None, str]:
    if column.holds_lists:
        return {"type": "list"}, "multi_valued", "lists"
    if found := _bracketed(column):
        return (
            {"type": "list", "format": found},
            "multi_valued",
            f"lists as {found} writes them",
        )
    if (mark := _list_separator(column, separator)) is not None:
        reason = f'lists, their values separated by "{mark}"'
        return {"type": "list", "separator": mark}, "multi_valued", reason
    return _plain(column)


def _is_vector(column: Column) -> bool:
    inner = [value for values in column.values for value in values or ()]
    numbers = Column(column.name, inner)
    return numbers.decimal is not None and not numbers.is_whole


def _plain(column: Column) -> tuple[dict[str, Any], str | None, str]:
    if len(column.distinct) == 1:
        return {}, None, f"{column.texts[0]} in each of the first rows"
    if column.is_price:
        return {"type": "price"}, "dense", f"amounts such as {column.texts[0]}"
    return _number(column) if column.decimal else _text(column)


def _number(column: Column) -> tuple[dict[str, Any], str | None, str]:
    n_distinct = len(column.distinct)
    if not column.is_whole:
        return {"type": "number"}, "dense", "numbers"
    is_unique = n_distinct == len(column.values)
    if n_distinct <= _MAX_CATEGORIES and not is_unique:
        return {"type": "integer"}, "categorical", f"{n_distinct} whole numbers"
    if n_distinct > _MAX_CATEGORIES and is_unique:
        return {}, None, "another number in each row, such as an id"
    reason = f"{n_distinct:,} whole numbers; kind: categorical if they are codes"
    return {"type": "integer"}, "dense", reason


def _text(column: Column) -> tuple[dict[str, Any], str | None, str]:
    n_distinct = len(column.distinct)
    if column.is_long:
        return {"type": "text"}, "words", "long texts"
    limit = max(_FEW_ROWS, _SHARE_OF_DISTINCT * len(column.texts))
    if n_distinct > limit:
        return {}, None, f"{n_distinct:,} texts in {len(column.texts):,} rows"
    shown = most_frequent(column.texts, 3)
    return {"type": "text"}, "categorical", f"{n_distinct:,} texts: {shown}"


def _bracketed(column: Column) -> str | None:
    if all(map(_JSON_LIST.fullmatch, column.distinct)):
        return "json"
    return "python" if all(map(_PYTHON_LIST.fullmatch, column.distinct)) else None


def _list_separator(column: Column, of_file: str) -> str | None:
    """Return the separator whose values repeat from row to row."""
    if column.is_long or column.decimal or column.is_price:
        return None
    for mark in _LIST_SEPARATORS:
        lists = [text.split(mark) for text in column.texts]
        n_lists = sum(len(values) > 1 for values in lists)
        values = {value.strip() for texts in lists for value in texts}
        n_values = sum(map(len, lists))
        is_repeated = len(values) < n_values / 2
        if mark != of_file and n_lists >= _SHARE_OF_LISTS * len(lists) and is_repeated:
            return mark
    return None


def _free_name(name: str, taken: set[str]) -> str:
    plain = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "feature"
    candidates = [plain, *(f"{plain}_{i}" for i in range(2, len(taken) + 3))]
    return next(one for one in candidates if one not in taken)
