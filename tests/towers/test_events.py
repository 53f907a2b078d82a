"""Batch fields of events, compared with plain arithmetic on lists."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from two_tower.ragged import Ragged
from two_tower.towers.events import UNKNOWN_TIME, Events, event_fields

NAN = float("nan")
SECONDS = st.none() | st.integers(-(2**61), 2**61)
ROWS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.integers(2, 50), SECONDS, st.none() | st.floats(0, 5, width=32)
            ),
            max_size=7,
        ),
        SECONDS,
    ),
    max_size=6,
)


def read(rows):
    """Return histories and events of [([(item, second, rating)], asked_at)]."""
    lists = [history for history, _ in rows]
    columns = [
        pa.array([[event[i] for event in events] for events in lists], pa.list_(dtype))
        for i, dtype in ((1, pa.int64()), (2, pa.float32()))
    ]
    asked_at = pa.array([second for _, second in rows], pa.int64())
    items = Ragged.from_lists([[event[0] for event in events] for events in lists])
    return items, Events.from_arrow(*columns, asked_at)


def cut_to_int32(number):
    return max(min(number, 2**31 - 1), -(2**31))


def by_definition(history, requested, width, *, request_time):
    """Return items, hours, ages, ratings and request hour, without padding."""
    newest = history[-width:]
    known = [second for _, second, _ in newest if second is not None]
    if requested is None or not request_time:
        requested = max(known, default=None)
    hours = [0 if s is None else cut_to_int32(s // 3600) for _, s, _ in newest]
    ages = [
        0 if s is None or requested is None else cut_to_int32(max(requested - s, 0) + 1)
        for _, s, _ in newest
    ]
    ratings = [NAN if rating is None else rating for _, _, rating in newest]
    hour = 0 if requested is None else cut_to_int32(requested // 3600)
    return [item for item, _, _ in newest], hours, ages, ratings, hour


# covers: A1 A10
@given(ROWS, st.integers(1, 6), st.booleans())
def test_fields_hold_the_newest_events(rows, width, request_time):
    histories, events = read(rows)
    fields = event_fields(histories, events, width, request_time=request_time)
    assert fields["items"].shape == (len(rows), width)
    for row, (history, requested) in enumerate(rows):
        *lists, hour = by_definition(
            history, requested, width, request_time=request_time
        )
        names = ("items", "hours", "ages", "ratings")
        for name, expected, nothing in zip(names, lists, (0, 0, 0, NAN), strict=True):
            padded = expected + [nothing] * (width - len(expected))
            np.testing.assert_array_equal(fields[name][row], np.float64(padded))
        assert fields["request_hours"][row] == hour
        assert fields["lengths"][row] == len(lists[0])


def test_fields_have_their_types():
    histories, events = read([([(2, 5, None)], None)])
    fields = event_fields(histories, events, 3, request_time=True)
    types = {name: array.dtype.name for name, array in fields.items()}
    ratings = {"ratings": "float32"}
    assert types == dict.fromkeys(fields, "int32") | ratings


# covers: A10
def test_an_event_at_the_time_of_the_request_has_age_one():
    histories, events = read([([(2, 50, None), (3, 60, None)], 60)])
    fields = event_fields(histories, events, 3, request_time=True)
    assert fields["ages"].tolist() == [[11, 1, 0]]


# covers: A11
def test_hours_count_from_1970_utc():
    second = int(datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC).timestamp())
    histories, events = read([([(2, second, None)], second + 3600)])
    fields = event_fields(histories, events, 1, request_time=True)
    since_1970 = datetime(2001, 9, 9, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    hours = since_1970.total_seconds() / 3600
    assert (fields["hours"][0, 0], fields["request_hours"][0]) == (hours, hours + 1)


def test_unknown_events_equal_lists_of_nulls():
    histories = Ragged.from_lists([[2, 3], []])
    nothing = read([([(2, None, None), (3, None, None)], None), ([], None)])[1]
    for found, expected in zip(Events.unknown(histories), nothing, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@given(ROWS, st.data())
def test_take_selects_the_events_of_rows(rows, data):
    chosen = data.draw(st.lists(st.sampled_from(range(len(rows))))) if rows else []
    histories, events = read(rows)
    expected = read([rows[row] for row in chosen])[1]
    for found, one in zip(events.take(histories, chosen), expected, strict=True):
        np.testing.assert_array_equal(found, one)


def test_keep_selects_the_events_of_items():
    _, events = read([([(2, 5, 1.0), (3, 6, 2.0)], 9)])
    kept = events.keep(np.array([False, True]))
    assert [array.tolist() for array in kept] == [[6], [2.0], [9]]


def test_request_times_that_are_not_given_are_unknown():
    lists = pa.array([[1], []], pa.list_(pa.int64()))
    events = Events.from_arrow(lists, lists)
    assert events.asked_at.tolist() == [UNKNOWN_TIME] * 2


@pytest.mark.parametrize("request_time", [True, False])
def test_empty_histories_are_all_padding(request_time):
    histories, events = read([([], None), ([], 7200)])
    fields = event_fields(histories, events, 2, request_time=request_time)
    assert not fields["items"].any()
    assert np.isnan(fields["ratings"]).all()
    assert fields["request_hours"].tolist() == [0, 2 * request_time]
