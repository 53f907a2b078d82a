"""When the items of histories were met, and how they were rated, as towers read it."""

from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from two_tower.ragged import Ragged
from two_tower.types import PADDING, FloatArray, Int64Array

UNKNOWN_TIME: Final = np.iinfo(np.int64).min
"""Stands for a time that nobody knows; as the least number it is never the newest."""

UNKNOWN: Final = 0
"""Hour or age of padding and of unknown times; ages of events begin at 1."""

SECONDS_PER_HOUR: Final = 3600

INT32: Final = np.iinfo(np.int32)

Fields = dict[str, npt.NDArray[Any]]


class Events(NamedTuple):
    """What is known of the items of R histories beside their ids.

    Attributes:
        timestamps: `[N]` int64 seconds since 1970 (UTC) of each of the histories'
            values, `UNKNOWN_TIME` where there is none.
        ratings: `[N]` float32, NaN where there is none.
        asked_at: `[R]` int64 seconds, when each query is asked; `UNKNOWN_TIME` for the
            time of the history's newest event.
    """

    timestamps: Int64Array
    ratings: FloatArray
    asked_at: Int64Array

    @classmethod
    def unknown(cls, histories: Ragged) -> Self:
        """Return the events of histories of which the items alone are known."""
        n_items = len(histories.values)
        return cls(
            np.full(n_items, UNKNOWN_TIME),
            np.full(n_items, np.nan, np.float32),
            np.full(len(histories), UNKNOWN_TIME),
        )

    @classmethod
    def from_arrow(cls, timestamps: Any, ratings: Any, asked_at: Any = None) -> Self:
        """Return the events of Arrow columns.

        Args:
            timestamps: R lists of int64 seconds; null in a list is unknown.
            ratings: R lists of float32, as long; null in a list is no rating.
            asked_at: R int64 seconds, null where unknown; None if all are.
        """
        n_rows = len(timestamps)
        return cls(
            flat_timestamps(timestamps),
            flat_ratings(ratings),
            np.full(n_rows, UNKNOWN_TIME)
            if asked_at is None
            else read_seconds(asked_at),
        )

    def take(self, histories: Ragged, rows: npt.ArrayLike) -> Self:
        """Return the events of `histories.take(rows)`, where these are of `histories`.

        Args:
            histories: what the events belong to.
            rows: `[r]` int, rows of the histories.
        """
        chosen = np.asarray(rows, np.int64)
        starts, ends = histories.offsets[:-1][chosen], histories.offsets[1:][chosen]
        behind = np.cumsum(ends - starts)  # where each taken history ends
        n_items = behind[-1] if len(chosen) else 0
        places = np.arange(n_items) + np.repeat(ends - behind, ends - starts)
        return type(self)(
            self.timestamps[places], self.ratings[places], self.asked_at[chosen]
        )

    def keep(self, mask: npt.NDArray[np.bool_]) -> Self:
        """Return the events of `histories.keep(mask)`, `mask` of `[N]` bool."""
        return type(self)(self.timestamps[mask], self.ratings[mask], self.asked_at)


def event_fields(
    histories: Ragged, events: Events, width: int, *, request_time: bool
) -> Fields:
    """Return what towers read of histories with events.

    Args:
        histories: B rows of dense int32 item ids, oldest first.
        events: of these histories.
        width: T, of each history the newest T items count.
        request_time: whether the towers know when they are asked; otherwise the newest
            event's time stands in for it.

    Returns:
        As `span_fields`.
    """
    return span_fields(
        histories.values,
        events,
        histories.offsets[1:],
        np.minimum(histories.lengths, width),
        width,
        request_time=request_time,
    )


def span_fields(
    items: npt.NDArray[np.int32],
    events: Events,
    ends: Int64Array,
    lengths: npt.NDArray[np.integer[Any]],
    width: int,
    *,
    request_time: bool,
) -> Fields:
    """Return what towers read of histories that are spans of one long list of items.

    Args:
        items: `[N]` int32 dense ids.
        events: of these items, and of B requests.
        ends: `[B]` int64, the place in the list behind each history's newest item.
        lengths: `[B]` int, how many items a history has, `width` at most.
        width: T.
        request_time: as of `event_fields`.

    Returns:
        Oldest first and padded behind: `items` `[B, T]` int32 dense ids, 0 for padding;
        `hours` `[B, T]` int32, whole hours since 1970 (UTC); `ages` `[B, T]` int32,
        seconds from event to request and 1, at least 1 and cut to int32; `ratings`
        `[B, T]` float32, NaN for none. `lengths` and `asked_hours` `[B]` int32. Hours
        and ages are 0 for padding and where a time is unknown.
    """
    places, is_real = _places(ends, lengths, width)
    timestamps = _at(events.timestamps, places, is_real, UNKNOWN_TIME)
    asked_at = _asked_at(events, timestamps, request_time=request_time)
    return {
        "items": _at(items, places, is_real, np.int32(PADDING)),
        "lengths": lengths.astype(np.int32),
        "hours": hours_of(timestamps),
        "ages": ages_of(timestamps, asked_at[:, None]),
        "ratings": _at(events.ratings, places, is_real, np.float32(np.nan)),
        "asked_hours": hours_of(asked_at),
    }


def span_ages(
    events: Events,
    ends: Int64Array,
    lengths: npt.NDArray[np.integer[Any]],
    width: int,
    *,
    request_time: bool,
) -> npt.NDArray[np.int32]:
    """Return the `ages` of `span_fields` alone, `[B, T]` int32."""
    places, is_real = _places(ends, lengths, width)
    timestamps = _at(events.timestamps, places, is_real, UNKNOWN_TIME)
    asked_at = _asked_at(events, timestamps, request_time=request_time)
    return ages_of(timestamps, asked_at[:, None])


def hours_of(timestamps: Int64Array) -> npt.NDArray[np.int32]:
    """Return whole hours since 1970 of seconds, 0 for unknown times."""
    hours = np.clip(timestamps // SECONDS_PER_HOUR, INT32.min, INT32.max)
    known = timestamps != UNKNOWN_TIME
    return np.where(known, hours, UNKNOWN).astype(np.int32)


def ages_of(timestamps: Int64Array, asked_at: Int64Array) -> npt.NDArray[np.int32]:
    """Return seconds from event to request and 1, 0 where either is unknown.

    An event that is later than the request counts as one of that second; more than
    int32 holds, 68 years, as that.
    """
    known = (timestamps != UNKNOWN_TIME) & (asked_at != UNKNOWN_TIME)
    seconds = np.where(known, asked_at, 0) - np.where(known, timestamps, 0)
    ages = np.clip(seconds, 0, INT32.max - 1) + 1
    return np.where(known, ages, UNKNOWN).astype(np.int32)


def flat_timestamps(lists: Any) -> Int64Array:
    """Return the values of an Arrow column of lists of int64 seconds, as `Events`."""
    return read_seconds(_flat(lists))


def flat_ratings(lists: Any) -> FloatArray:
    """Return the values of an Arrow column of lists of float32, as `Events`."""
    return _filled(_flat(lists), np.nan, np.float32)


def read_seconds(column: Any) -> Int64Array:
    """Return an Arrow column of int64 seconds, `UNKNOWN_TIME` where it is null."""
    return _filled(column, UNKNOWN_TIME, np.int64)


def _flat(lists: Any) -> Any:
    import pyarrow.compute as pc

    return pc.list_flatten(lists)


def _filled(column: Any, nothing: float, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    arrow_type = pa.from_numpy_dtype(dtype)
    filled = pc.fill_null(column.cast(arrow_type), pa.scalar(nothing, arrow_type))
    return np.asarray(filled.to_numpy())


def _places(
    ends: Int64Array, lengths: npt.NDArray[np.integer[Any]], width: int
) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """Return `[B, T]` places of spans, 0 for padding, and which of them are real."""
    column = np.arange(width)
    is_real = column < lengths[:, None]
    return np.where(is_real, (ends - lengths)[:, None] + column, 0), is_real


def _asked_at(
    events: Events, timestamps: Int64Array, *, request_time: bool
) -> Int64Array:
    """Return `[B]` seconds of the requests, or of the newest of `[B, T]` events."""
    newest = timestamps.max(axis=1, initial=UNKNOWN_TIME)
    is_given = (events.asked_at != UNKNOWN_TIME) & request_time
    return np.where(is_given, events.asked_at, newest)


def _at(
    values: npt.NDArray[Any], places: Int64Array, is_real: Any, nothing: Any
) -> npt.NDArray[Any]:
    """Return the values at places, `nothing` for padding.

    Padding is read at place 0 and overwritten; there may be no value at all.
    """
    if not len(values):
        return np.full(places.shape, nothing, values.dtype)
    return np.where(is_real, values[places], nothing).astype(values.dtype, copy=False)
