"""Times of any unit and form, as whole seconds since 1970."""

import datetime as dt

import pyarrow as pa
import pytest

from two_tower.tables.date_formats import parse_format
from two_tower.tables.times import is_rounded, read_seconds

NOON = 1_600_948_800  # 2020-09-24 12:00:00 UTC


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        ("seconds", [f"{NOON}.9", str(NOON), "1.6009488e9"]),
        ("milliseconds", [f"{NOON}999.9", f"{NOON}000", "1.6009488e12"]),
        ("microseconds", [f"{NOON}999999", f"{NOON}000000"]),
        ("nanoseconds", [f"{NOON}999999999", f"{NOON}000000000"]),
        ("excel", ["44098.5", "44098.500001"]),
    ],
)
def test_numbers_lose_their_fraction(column, values, written, texts):
    assert set(values(read_seconds(column(*texts), written, ".").values)) == {NOON}


@pytest.mark.parametrize("of", [pa.int64(), pa.float64(), pa.decimal128(20, 1)])
def test_typed_numbers_lose_their_fraction(column, values, of):
    found = pa.array([NOON * 1000]).cast(of)[0].as_py()
    typed = read_seconds(column(found, of=of), "milliseconds", ".")
    assert values(typed.values) == [NOON]


def test_nanoseconds_are_exact(column, values):
    typed = read_seconds(column(NOON * 10**9 + 999_999_999), "nanoseconds", ".")
    assert values(typed.values) == [NOON]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("%d.%m.%Y %H:%M", "24.09.2020 12:00"),
        ("%d.%m.%Y %H:%M", "24.9.2020  12:00"),
        ("%m/%d/%y %I:%M %p", "09/24/20 12:00 PM"),
        ("%Y%m%d%H%M%S", "20200924120000"),
        ("%d-%b-%Y %H:%M:%S.%f", "24-Sep-2020 12:00:00.123"),
        ("%d %B %Y %H", "24 September 2020 12"),
        ("%b %d, %Y %I %p", "sep 24, 2020 12 p.m."),
        ("%Y-%m-%dT%H:%M:%S%z", "2020-09-24T14:00:00+02:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2020-09-24T06:30:00-0530"),
        ("%Y-%m-%dT%H:%M:%S%z", "2020-09-24T12:00:00Z"),
        ("%a %b %d %H:%M:%S %z %Y", "Thu Sep 24 12:00:00 +0000 2020"),
    ],
)
def test_dates_are_read_by_their_format(column, values, written, text):
    assert values(read_seconds(column(text), written, ".").values) == [NOON]


def test_a_format_without_a_day_means_the_first(column, values):
    typed = read_seconds(column("09/2020"), "%m/%Y", ".")
    assert values(typed.values) == [1_598_918_400]  # 2020-09-01


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("%d.%m.%Y", "31.02.2020"),
        ("%d.%m.%Y", "9/24/2020"),
        ("%d.%m.%Y", "24.09.20"),
        ("%d.%m.%Y", "24.13.2020"),
        ("%d %b %Y", "24 foo 2020"),
        ("%m/%d/%Y %I:%M %p", "09/24/2020 13:00 PM"),
        ("datetime", "24.09.2020"),
        ("datetime", "epoch"),
        ("datetime", "infinity"),
        ("datetime", "2020-02-31"),
        ("datetime", "20200924"),
        ("seconds", "yesterday"),
        ("seconds", "2020-09-24"),
        ("seconds", "1e400"),
        ("excel", "24.09.2020"),
    ],
)
def test_a_time_in_another_form_does_not_fit(column, values, written, text):
    typed = read_seconds(column(text), written, ".")
    assert values(typed.is_unfit) == [True]


@pytest.mark.parametrize("of", [pa.float32(), pa.float16()])
def test_floats_too_short_for_seconds_are_refused(column, of):
    with pytest.raises(ValueError, match="can't hold the seconds of today"):
        read_seconds(column(1.0, of=of), "seconds", ".")


@pytest.mark.parametrize(
    ("found", "written", "message"),
    [
        (7, "datetime", "int64, but .* declare dates"),
        (dt.time(12), "datetime", "time.*, but .* declare dates"),
        (dt.date(2020, 9, 24), "seconds", "date, but .* declare seconds"),
        (True, "seconds", "boolean, but .* declare seconds"),
        (7, "%Y", "int64, but .* declare text like %Y"),
    ],
)
def test_times_of_another_type_are_refused(column, found, written, message):
    with pytest.raises(ValueError, match=message):
        read_seconds(column(found), written, ".")


@pytest.mark.parametrize(
    ("text", "written", "expected"),
    [
        ("1.60E+09", "seconds", True),
        ("1.600914e+09", "seconds", True),
        ("1.600914131e+09", "seconds", False),
        ("1.60E+12", "milliseconds", True),
        ("1.600914131e12", "milliseconds", False),
        ("1600914131", "seconds", False),
    ],
)
def test_an_exponent_that_lost_seconds_is_seen(column, values, text, written, expected):
    assert values(is_rounded(column(text), written)) == [expected]


def test_only_text_in_units_has_exponents(column):
    assert is_rounded(column(1.6e9), "seconds") is None
    assert is_rounded(column("2020"), "datetime") is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("%d.%m", "no year"),
        ("%Y %Y", "%Y twice"),
        ("%Y-%j", "%j that is not read"),
        ("%Y %H:%M %p", "%I and %p together"),
        ("%Y %", "that is not read"),
    ],
)
def test_a_format_that_is_not_read_is_refused(written, message):
    with pytest.raises(ValueError, match=message):
        parse_format(written)
