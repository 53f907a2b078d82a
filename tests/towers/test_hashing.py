from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from two_tower.towers.hashing import (
    DayOfWeek,
    HourOfDay,
    Modulo,
    Thresholds,
    from_config,
    is_prime,
    to_config,
)

pytestmark = pytest.mark.backend

LARGEST = 2**31 - 1  # of an int32
EACH = [Modulo(13), HourOfDay(), DayOfWeek(), Thresholds((-1.5, 2.0, 60.0))]


def rows_of(function, values, dtype=np.int32):
    return np.asarray(function(np.array(values, dtype)))


# covers: A4
def test_modulo_returns_the_remainder_plus_one():
    ids = [0, 1, 12, 13, 14, 10_000_019, LARGEST]
    assert rows_of(Modulo(13), ids).tolist() == [i % 13 + 1 for i in ids]


# covers: A4
def test_hours_and_days_follow_the_calendar():
    hours = np.array([0, 1, 23, 24, 95, 96, 167, 168, 490_000, 250_001], np.int32)
    moments = [
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=int(h)) for h in hours
    ]
    expected = [moment.hour + 1 for moment in moments]
    assert rows_of(HourOfDay(), hours).tolist() == expected
    expected = [moment.isoweekday() for moment in moments]  # Monday is 1
    assert rows_of(DayOfWeek(), hours).tolist() == expected


# covers: A4
def test_thresholds_count_the_edges_strictly_below():
    edges = (0.5, 3.0, 4.5)
    found = rows_of(Thresholds(edges), [0.0, 0.5, 0.6, 3, 3.5, 4.5, 5], np.float32)
    assert found.tolist() == [1, 1, 2, 2, 3, 3, 4]


# covers: A4
def test_an_edge_that_float32_rounds_is_not_below_itself():
    assert rows_of(Thresholds((0.1, 0.7)), [0.1, 0.7], np.float32).tolist() == [1, 2]


# covers: A4
def test_large_integers_are_compared_to_the_last_digit():
    edges = (2.5, float(LARGEST - 2), 1e12)
    values = [2, 3, LARGEST - 2, LARGEST - 1, LARGEST]
    assert rows_of(Thresholds(edges), values).tolist() == [1, 2, 2, 3, 3]


def test_an_integer_is_above_a_fraction_below_it():
    assert rows_of(Thresholds((-1.5, 1.5)), [-2, -1, 1, 2]).tolist() == [1, 2, 2, 3]


def test_nan_is_above_no_edge():
    found = rows_of(Thresholds((1.0,)), [np.nan, np.inf, -np.inf], np.float32)
    assert found.tolist() == [1, 2, 1]


# covers: A4
@pytest.mark.parametrize("function", EACH, ids=lambda f: type(f).__name__)
def test_rows_are_in_the_table_and_never_padding(function):
    found = rows_of(function, np.arange(0, 500).reshape(5, 100))
    assert found.shape == (5, 100)
    assert found.dtype == np.int32
    everything = rows_of(function, [-2, *range(500)])
    assert {*everything.tolist()} == {*range(1, function.size)}


@pytest.mark.parametrize("function", EACH, ids=lambda f: type(f).__name__)
def test_a_function_is_rebuilt_from_plain_values(function):
    assert from_config(to_config(function)) == function


def test_an_unknown_function_is_refused():
    with pytest.raises(ValueError, match=r"'sha'; choose one of \['day_of_week', 'ho"):
        from_config({"kind": "sha", "buckets": 7})


# covers: A4
@pytest.mark.parametrize(
    ("buckets", "near"), [(1, 2), (0, 2), (-7, 2), (9, 11), (1000, 1009)]
)
def test_a_number_of_buckets_that_is_no_prime_is_refused(buckets, near):
    with pytest.raises(ValueError, match=rf"{buckets}, not a prime; take {near}$"):
        Modulo(buckets)


@pytest.mark.parametrize("edges", [(), (2.0, 1.0), (1.0, 1.0), (float("nan"),)])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(ValueError, match=r"edges are .* each above the one before"):
        Thresholds(edges)


@given(st.integers(-5, 5000))
def test_a_prime_has_exactly_two_divisors(number):
    divisors = [n for n in range(1, number + 1) if number % n == 0]
    assert is_prime(number) == (len(divisors) == 2)


# covers: A2
def test_two_primes_distinguish_as_many_ids_as_their_product():
    ids = np.arange(7 * 11, dtype=np.int32)
    pairs = zip(rows_of(Modulo(7), ids), rows_of(Modulo(11), ids), strict=True)
    assert len({*pairs}) == 7 * 11
