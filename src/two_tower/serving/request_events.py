"""Times and ratings that come with requests."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.ragged import Ragged
from two_tower.towers.events import (
    Events,
    flat_ratings,
    flat_timestamps,
    read_seconds,
)


class RequestEvents(NamedTuple):
    """What is known of R requests beside items and users; None where nothing is.

    Attributes:
        timestamps: R lists, the second since 1970 (UTC, a whole number) of each item
            of the history; null in a list is unknown.
        ratings: R lists of numbers, null for an item without a rating.
        asked_at: R seconds, when it is asked; null stands for the time of the newest
            item.
    """

    timestamps: pa.ListArray | None = None
    ratings: pa.ListArray | None = None
    asked_at: pa.Array | None = None


def read_events(histories: Ragged, given: RequestEvents) -> Events:
    """Return what comes with requests as towers read it.

    Args:
        histories: R rows, of as many values as the lists have.
        given: with the R requests.

    Raises:
        ValueError: if a list is of another length than its history, or holds no whole
            seconds or no numbers.
    """
    events = Events.unknown(histories)
    if given.timestamps is not None:
        _require_lengths(histories, given.timestamps, "timestamps")
        _require_seconds(given.timestamps.type.value_type, "timestamps")
        events = events._replace(timestamps=flat_timestamps(given.timestamps))
    if given.ratings is not None:
        _require_lengths(histories, given.ratings, "ratings")
        _require_numbers(given.ratings.type.value_type)
        events = events._replace(ratings=flat_ratings(given.ratings))
    if given.asked_at is not None:
        if len(given.asked_at) != len(histories):
            raise ValueError(
                f"asked_at has {len(given.asked_at)} entries for {len(histories)} "
                "requests; give one of each, null where it is unknown"
            )
        _require_seconds(given.asked_at.type, "asked_at")
        events = events._replace(asked_at=read_seconds(given.asked_at))
    return events


def list_lengths(lists: pa.ListArray) -> np.ndarray:
    """Return `[R]` int, how long each list is; null is an empty one."""
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0))


def _require_lengths(histories: Ragged, lists: pa.ListArray, name: str) -> None:
    found, expected = list_lengths(lists), histories.lengths
    if len(found) != len(expected):
        raise ValueError(
            f"{name} has {len(found)} lists for {len(expected)} histories; give one "
            "for each"
        )
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"{name} of request {row} has {found[row]} entries for {expected[row]} "
            "items; give one for each item, null where it is unknown"
        )


def _require_seconds(found: Any, name: str) -> None:
    if not (pa.types.is_integer(found) or pa.types.is_null(found)):
        raise ValueError(
            f"{name} are {found}; give whole seconds since 1970 (UTC), as the data have"
        )


def _require_numbers(found: Any) -> None:
    is_number = pa.types.is_integer(found) or pa.types.is_floating(found)
    if not (is_number or pa.types.is_null(found)):
        raise ValueError(f"ratings are {found}; give numbers")
