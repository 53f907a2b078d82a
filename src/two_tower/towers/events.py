"""Times and ratings of history items, as towers read them."""

from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from two_tower.ragged import Ragged
from two_tower.types import PADDING, FloatArray, Int64Array

UNKNOWN_TIME: Final = np.iinfo(np.int64).min
"""Unknown time in seconds; as the least number it is never the newest."""

UNKNOWN: Final = 0
"""Hour or age of padding and of unknown times; ages of events begin at 1."""

SECONDS_PER_HOUR: Final = 3600

INT32: Final = np.iinfo(np.int32)

Fields = dict[str, npt.NDArray[Any]]


class Events(NamedTuple):
    """Times and ratings of the N items of R histories, and the requests' times.

    Attributes:
        timestamps: `[N]` int64 seconds since 1970 (UTC), `UNKNOWN_TIME` if unknown.
        ratings: `[N]` float32, NaN without a rating.
        asked_at: `[R]` int64 seconds, time of each request; `UNKNOWN_TIME` for that of
            the history's newest event.
    """

    timestamps: Int64Array
    ratings: FloatArray
    asked_at: Int64Array

    @classmethod
    def unknown(cls, histories: Ragged) -> Self:
        """Return unknown times and ratings for histories."""
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
            ratings: R lists of float32, as long; null in a list is a missing rating.
            asked_at: R int64 seconds, null if unknown; None if all are.
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
        """Return the events of `histories.take(rows)`.

        Args:
            histories: the histories of these events.
            rows: `[r]` int, rows of the histories.
        """
        chosen = np.asarray(rows, np.int64)
        starts, ends = histories.offsets[:-1][chosen], histories.offsets[1:][chosen]
        new_ends = np.cumsum(ends - starts)
        n_items = new_ends[-1] if len(chosen) else 0
        index = np.arange(n_items) + np.repeat(ends - new_ends, ends - starts)
        return type(self)(
            self.timestamps[index], self.ratings[index], self.asked_at[chosen]
        )

    def keep(self, mask: npt.NDArray[np.bool_]) -> Self:
        """Return the events of `histories.keep(mask)`, `mask` of `[N]` bool."""
        return type(self)(self.timestamps[mask], self.ratings[mask], self.asked_at)


def event_fields(
    histories: Ragged, events: Events, width: int, *, request_time: bool
) -> Fields:
    """Return the batch fields of histories with events, see `span_fields`.

    Args:
        histories: B rows of int32 item indices, oldest first.
        events: events of these histories.
        width: T, number of newest items that are read.
        request_time: whether `asked_at` is read; otherwise the newest event's time
            replaces it.
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
    """Return the batch fields of histories that are spans of one list of items.

    Args:
        items: `[N]` int32 item indices.
        events: events of these items, and times of B requests.
        ends: `[B]` int64, index after each history's newest item.
        lengths: `[B]` int, items of each history, at most `width`.
        width: T.
        request_time: whether `asked_at` is read; otherwise the newest event's time
            replaces it.

    Returns:
        Oldest first, then padding: `items` `[B, T]` int32 item indices, 0 for padding;
        `hours` `[B, T]` int32, whole hours since 1970 (UTC); `ages` `[B, T]` int32,
        seconds from event to request plus 1, clipped to [1, 2³¹ - 1]; `ratings`
        `[B, T]` float32, NaN without a rating. `lengths` and `request_hours` `[B]`
        int32. Hours and ages are 0 for padding and unknown times.
    """
    index, is_real = _span_index(ends, lengths, width)
    timestamps = _at(events.timestamps, index, is_real, UNKNOWN_TIME)
    requested = _request_times(events, timestamps, request_time=request_time)
    return {
        "items": _at(items, index, is_real, np.int32(PADDING)),
        "lengths": lengths.astype(np.int32),
        "hours": hours_of(timestamps),
        "ages": ages_of(timestamps, requested[:, None]),
        "ratings": _at(events.ratings, index, is_real, np.float32(np.nan)),
        "request_hours": hours_of(requested),
    }


def span_ages(
    events: Events,
    ends: Int64Array,
    lengths: npt.NDArray[np.integer[Any]],
    width: int,
    *,
    request_time: bool,
) -> npt.NDArray[np.int32]:
    """Return `[B, T]` int32, only the `ages` of `span_fields`."""
    index, is_real = _span_index(ends, lengths, width)
    timestamps = _at(events.timestamps, index, is_real, UNKNOWN_TIME)
    requested = _request_times(events, timestamps, request_time=request_time)
    return ages_of(timestamps, requested[:, None])


def hours_of(timestamps: Int64Array) -> npt.NDArray[np.int32]:
    """Return `[...]` int32 whole hours of `[...]` seconds since 1970, 0 if unknown."""
    hours = np.clip(timestamps // SECONDS_PER_HOUR, INT32.min, INT32.max)
    known = timestamps != UNKNOWN_TIME
    return np.where(known, hours, UNKNOWN).astype(np.int32)


def ages_of(timestamps: Int64Array, requested: Int64Array) -> npt.NDArray[np.int32]:
    """Return seconds from event to request plus 1, 0 if a time is unknown.

    Negative differences count as 0; ages are clipped to int32, 68 years.
    """
    known = (timestamps != UNKNOWN_TIME) & (requested != UNKNOWN_TIME)
    seconds = np.where(known, requested, 0) - np.where(known, timestamps, 0)
    ages = np.clip(seconds, 0, INT32.max - 1) + 1
    return np.where(known, ages, UNKNOWN).astype(np.int32)


def flat_timestamps(lists: Any) -> Int64Array:
    """Return `[N]` int64 seconds of an Arrow column of lists, null as unknown."""
    return read_seconds(_flat(lists))


def flat_ratings(lists: Any) -> FloatArray:
    """Return `[N]` float32 ratings of an Arrow column of lists, null as NaN."""
    return _filled(_flat(lists), np.nan, np.float32)


def read_seconds(column: Any) -> Int64Array:
    """Return `[R]` int64 seconds of an Arrow column, null as `UNKNOWN_TIME`."""
    return _filled(column, UNKNOWN_TIME, np.int64)


def _flat(lists: Any) -> Any:
    import pyarrow.compute as pc

    return pc.list_flatten(lists)


def _filled(column: Any, unknown: float, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    arrow_type = pa.from_numpy_dtype(dtype)
    filled = pc.fill_null(column.cast(arrow_type), pa.scalar(unknown, arrow_type))
    return np.asarray(filled.to_numpy())


def _span_index(
    ends: Int64Array, lengths: npt.NDArray[np.integer[Any]], width: int
) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """Return the index `[B, T]` of each span's items, 0 for padding, and their mask."""
    column = np.arange(width)
    is_real = column < lengths[:, None]
    return np.where(is_real, (ends - lengths)[:, None] + column, 0), is_real


def _request_times(
    events: Events, timestamps: Int64Array, *, request_time: bool
) -> Int64Array:
    """Return `[B]` seconds of the requests, or of the newest of `[B, T]` events."""
    newest = timestamps.max(axis=1, initial=UNKNOWN_TIME)
    is_given = (events.asked_at != UNKNOWN_TIME) & request_time
    return np.where(is_given, events.asked_at, newest)


def _at(
    values: npt.NDArray[Any], index: Int64Array, is_real: Any, unknown: Any
) -> npt.NDArray[Any]:
    """Return the values at an index, `unknown` for padding."""
    if not len(values):  # index 0 of padding would be out of range
        return np.full(index.shape, unknown, values.dtype)
    return np.where(is_real, values[index], unknown).astype(values.dtype, copy=False)
