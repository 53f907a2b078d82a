import numpy as np

from tests.simulation.recipes import small_recipe
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import Purpose, random_stream
from two_tower.simulation.sequels import (
    Series,
    sample_release_dates,
    sample_series,
    sample_series_interests,
)

CURRENT = 0  # space adventures, from 1977 to the present
PAST = [one.years[1] is not None for one in INTERESTS].index(True)


def _rng():
    return random_stream(1, Purpose.MOVIES)


def _single_movies(count):
    rows = np.arange(count)
    return Series(np.ones(count, dtype=int), rows, np.zeros(count, dtype=int))


def _recipe(late, n_movies=400):
    return small_recipe(n_movies=n_movies, catalogue={"late": late})


def test_the_given_share_of_movies_is_in_series_of_two_to_five():
    series = sample_series(1000, 0.3, _rng())
    assert len(series.of) == len(series.part) == series.size.sum() == 1000
    sizes = series.size[series.size > 1]
    assert 290 <= sizes.sum() <= 300
    assert set(sizes) <= {2, 3, 4, 5}
    np.testing.assert_array_equal(series.part[series.of == series.of[-1]][:2], [0, 1])


def test_the_first_series_cover_all_interests():
    np.testing.assert_array_equal(sample_series_interests(24, _rng()), np.arange(24))


def test_the_parts_of_a_series_arrive_in_order():
    size = np.full(80, 5)
    series = Series(size, np.repeat(np.arange(80), 5), np.tile(np.arange(5), 80))
    interest = np.full(400, CURRENT)
    year, arrival = sample_release_dates(_recipe(late=0.0), series, interest, _rng())
    parts = arrival.reshape(80, 5)
    assert (np.diff(parts, axis=1) >= 0).all()
    assert (parts[:, 0] == 0).all()
    assert 0 < parts.max() <= 35
    assert year.max() == 2002


def test_only_single_movies_of_current_interests_arrive_late():
    interest = np.where(np.arange(400) % 2, CURRENT, PAST)
    year, arrival = sample_release_dates(
        _recipe(late=0.3), _single_movies(400), interest, _rng()
    )
    assert np.count_nonzero(arrival) == 120
    assert (interest[arrival > 0] == CURRENT).all()
    assert year[interest == PAST].max() <= INTERESTS[PAST].years[1]


def test_the_first_movie_of_each_interest_arrives_in_month_0():
    interest = np.full(400, CURRENT)
    _, arrival = sample_release_dates(
        _recipe(late=0.9), _single_movies(400), interest, _rng()
    )
    assert (arrival[: len(INTERESTS)] == 0).all()
    assert np.count_nonzero(arrival) == 360
