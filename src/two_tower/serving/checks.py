"""Checks of a request's values, before Arrow or the towers read them."""

from collections.abc import Mapping, Sequence
from math import isfinite
from reprlib import Repr
from typing import Any, Final, get_args

import numpy as np
import pyarrow as pa

from two_tower.recommend.ids import IdLookup, is_id

LATEST_SECOND: Final = 10**11
"""A moment of the year 5138; a number beyond it counts milliseconds, not seconds."""

LARGEST_RATING: Final = float(np.finfo(np.float32).max)

_short: Final = Repr()
_short.maxstring = _short.maxother = 60

SCALARS: Final = (bool, int, float, str, np.generic)


def require_choice(value: Any, name: str, choices: Any) -> None:
    """Raise an error if a value is none of a `Literal`'s.

    Raises:
        ValueError: naming the choices.
    """
    allowed = get_args(choices)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(
            f"{name} is {_short.repr(value)}; choose one of {', '.join(allowed)}"
        )


def require_flag(value: Any, name: str) -> None:
    """Raise an error if a value is neither true nor false.

    Raises:
        ValueError: naming the value.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {_short.repr(value)}; give True or False")


def check_ids(values: Any, name: str, lookup: IdLookup) -> list[Any]:
    """Return raw ids as a list.

    Args:
        values: sequence of ids of the vocabulary's type; others need not be in it.
        name: name of the values, for the error.
        lookup: ids of the vocabulary.

    Raises:
        ValueError: if it is no sequence, or a value is no id of this type.
    """
    ids = _as_list(values, name)
    for i, one in enumerate(ids):
        check_id(one, f"{name}[{i}]", lookup)
    return ids


def check_id(value: Any, name: str, lookup: IdLookup) -> None:
    """Raise an error if a value is no raw id of a vocabulary's type.

    Raises:
        ValueError: naming the value and the type of the vocabulary's ids.
    """
    if not (is_id(value, lookup.ids.type) and _is_encodable(value)):
        kind = "text" if pa.types.is_string(lookup.ids.type) else "whole numbers"
        example = f", such as {lookup.ids[0].as_py()!r}" if len(lookup.ids) else ""
        raise ValueError(
            f"{name} is {_short.repr(value)}, but the ids of the {lookup.what} of "
            f"{lookup.where} are {kind}{example}"
        )


def check_times(values: Any, name: str, n_items: int) -> list[int | None] | None:
    """Return times of history items as a list; None without times.

    Raises:
        ValueError: if there is not one whole second or None per item, or times fall.
    """
    if values is None:
        return None
    times = _as_list(values, name)
    _require_length(times, name, n_items)
    newest = None
    for i, one in enumerate(times):
        if one is None:
            continue
        check_second(one, f"{name}[{i}]")
        if newest is not None and one < newest:
            raise ValueError(
                f"{name}[{i}] is {one}, before {newest}; histories are given oldest "
                "first"
            )
        newest = one
    return times


def check_second(value: Any, name: str) -> None:
    """Raise an error if a value is no moment in whole seconds since 1970.

    Raises:
        ValueError: naming the value.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or abs(value) > LATEST_SECOND:
        raise ValueError(
            f"{name} is {_short.repr(value)}; give whole seconds since 1970 (UTC), "
            "None where unknown"
        )


def check_ratings(values: Any, name: str, n_items: int) -> list[float | None] | None:
    """Return ratings of history items as a list; None without ratings.

    Raises:
        ValueError: if there is not one finite number or None per item.
    """
    if values is None:
        return None
    ratings = _as_list(values, name)
    _require_length(ratings, name, n_items)
    for i, one in enumerate(ratings):
        is_number = isinstance(one, int | float | np.integer | np.floating)
        if one is not None and (
            not is_number or isinstance(one, bool) or not _fits_float32(one)
        ):
            raise ValueError(
                f"{name}[{i}] is {_short.repr(one)}; give a finite number, None where "
                "there is no rating"
            )
    return ratings


def check_features(values: Any, name: str) -> pa.Table | None:
    """Return features as a table of one row; None without features.

    Raises:
        ValueError: if it is no mapping of columns to numbers, text or lists of them.
    """
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise ValueError(
            f"{name} is {_short.repr(values)}; give a mapping of columns to values"
        )
    columns = {}
    for column, value in values.items():
        if not (isinstance(column, str) and _is_encodable(column)):
            raise ValueError(f"{name} has the column {_short.repr(column)}; give text")
        columns[column] = _as_column(value, f"{name}[{column!r}]")
    return pa.table(columns) if columns else None


def _as_column(value: Any, name: str) -> pa.Array:
    """Return an Arrow column of one value."""
    parts = value if isinstance(value, list | tuple) else [value]
    if all(_is_scalar(part) for part in parts):
        try:
            return pa.array([value])
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass  # such as a list of numbers and texts
    raise ValueError(
        f"{name} is {_short.repr(value)}; give a finite number, a text, a list of "
        "either, or None where it is missing"
    )


def _is_scalar(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, float | np.floating) and not isfinite(value):
        return False
    return isinstance(value, SCALARS) and _is_encodable(value)


def _is_encodable(value: Any) -> bool:
    """Return whether a text has no lone surrogate, which UTF-8 lacks."""
    if not isinstance(value, str):
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fits_float32(value: Any) -> bool:
    try:
        return abs(float(value)) <= LARGEST_RATING
    except OverflowError:
        return False


def _as_list(values: Any, name: str) -> list[Any]:
    is_array = isinstance(values, np.ndarray) and values.ndim == 1
    if is_array or isinstance(values, pa.Array | pa.ChunkedArray):
        return list(values.tolist())
    if isinstance(values, Sequence) and not isinstance(values, str | bytes | bytearray):
        return list(values)
    raise ValueError(f"{name} is {_short.repr(values)}; give a list")


def _require_length(values: list[Any], name: str, n_items: int) -> None:
    if len(values) != n_items:
        raise ValueError(
            f"{name} has {len(values)} entries for {n_items} history items; give one "
            "per item, None where it is unknown"
        )
