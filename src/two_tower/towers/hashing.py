"""Hash functions from values to the rows of an embedding table.

They map tensors or NumPy arrays of any shape to int32 rows from 1 on; row 0 of every
table is padding. Keras is imported where rows are computed, so that parameters can be
checked without it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import count, pairwise
from math import isqrt
from typing import Any, Final, TypeAlias

import numpy as np

from two_tower.types import Tensor

HOURS_A_DAY: Final = 24
DAYS_A_WEEK: Final = 7
FIRST_DAY: Final = 3
"""Weekday of 1 January 1970, a Thursday, counted from Monday."""


def is_prime(number: int) -> bool:
    """Return whether a number is a prime."""
    return number > 1 and all(number % n for n in range(2, isqrt(number) + 1))


@dataclass(frozen=True)
class Modulo:
    """`id mod buckets + 1` of integer ids.

    Two ids share the rows of several tables with different primes only if they differ
    by a multiple of the primes' product.

    Attributes:
        buckets: a prime, so that ids at regular distances spread over all rows.

    Raises:
        ValueError: if `buckets` is not a prime.
    """

    buckets: int

    def __post_init__(self) -> None:
        if not is_prime(self.buckets):
            near = next(n for n in count(max(self.buckets, 2)) if is_prime(n))
            raise ValueError(f"buckets is {self.buckets}, not a prime; take {near}")

    @property
    def size(self) -> int:
        """Rows of the table, padding included."""
        return self.buckets + 1

    def __call__(self, ids: Tensor) -> Tensor:
        """Return `[...]` int32 rows of `[...]` int ids."""
        from keras import ops

        return ops.cast(ops.mod(ids, self.buckets), "int32") + 1


@dataclass(frozen=True)
class HourOfDay:
    """Hour of the day plus 1, of whole hours since 1970 (int, UTC)."""

    @property
    def size(self) -> int:
        """Rows of the table, padding included."""
        return HOURS_A_DAY + 1

    def __call__(self, hours: Tensor) -> Tensor:
        """Return `[...]` int32 rows of `[...]` int hours; row 1 is midnight."""
        from keras import ops

        return ops.cast(ops.mod(hours, HOURS_A_DAY), "int32") + 1


@dataclass(frozen=True)
class DayOfWeek:
    """Day of the week plus 1, of whole hours since 1970 (int, UTC)."""

    @property
    def size(self) -> int:
        """Rows of the table, padding included."""
        return DAYS_A_WEEK + 1

    def __call__(self, hours: Tensor) -> Tensor:
        """Return `[...]` int32 rows of `[...]` int hours; row 1 is Monday."""
        from keras import ops

        days = ops.floor_divide(hours, HOURS_A_DAY) + FIRST_DAY
        return ops.cast(ops.mod(days, DAYS_A_WEEK), "int32") + 1


@dataclass(frozen=True)
class Thresholds:
    """Number of bucket boundaries strictly below a number, plus 1.

    Attributes:
        edges: rising bucket boundaries.

    Raises:
        ValueError: if there are no edges, or they don't rise.
    """

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        rises = all(low < high for low, high in pairwise(self.edges))
        if not self.edges or not rises or np.isnan(self.edges[0]):
            raise ValueError(
                f"edges are {list(self.edges)[:5]}; give at least one, each above the "
                "one before"
            )

    @property
    def size(self) -> int:
        """Rows of the table, padding included."""
        return len(self.edges) + 2

    def __call__(self, values: Tensor) -> Tensor:
        """Return `[...]` int32 rows of `[...]` int or float values; row 1 is NaN's."""
        from keras import backend, ops

        edges = np.asarray(self.edges, np.float64)
        dtype = backend.standardize_dtype(values.dtype)
        if "int" in dtype:
            # An integer is above an edge if it is above the edge's integer part; as
            # float32, integers of nine digits would lose their last digits.
            span = np.iinfo(dtype)
            edges = np.clip(np.floor(edges), span.min, span.max).astype(dtype)
        is_below = ops.expand_dims(values, -1) > ops.cast(edges, dtype)
        return ops.sum(ops.cast(is_below, "int32"), axis=-1) + 1


HashFunction: TypeAlias = Modulo | HourOfDay | DayOfWeek | Thresholds

_FUNCTIONS: Final[dict[str, Callable[..., HashFunction]]] = {
    "modulo": Modulo,
    "hour_of_day": HourOfDay,
    "day_of_week": DayOfWeek,
    "thresholds": Thresholds,
}


def to_config(function: HashFunction) -> dict[str, Any]:
    """Return a function as plain values for JSON."""
    (kind,) = (name for name, cls in _FUNCTIONS.items() if type(function) is cls)
    options = asdict(function)
    return {"kind": kind} | {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
    }


def from_config(config: Mapping[str, Any]) -> HashFunction:
    """Return the function that `to_config` described.

    Raises:
        ValueError: if there is no such function.
    """
    options = dict(config)
    kind = options.pop("kind", None)
    if kind not in _FUNCTIONS:
        raise ValueError(
            f"there is no hash function {kind!r}; choose one of {sorted(_FUNCTIONS)}"
        )
    return _FUNCTIONS[kind](
        **{
            name: tuple(value) if isinstance(value, list | tuple) else value
            for name, value in options.items()
        }
    )
