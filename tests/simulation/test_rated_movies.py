import numpy as np
import pytest

from tests.simulation.catalogues import some_movies
from tests.simulation.recipes import small_recipe
from two_tower.simulation.pools import make_pools
from two_tower.simulation.rated_movies import (
    RatedMovies,
    Reason,
    sample_rated_movies,
    sample_stars,
)
from two_tower.simulation.sessions import Schedule
from two_tower.simulation.users import sample_users


def _schedule(user, month=0, interest=0):
    user = np.array(user)
    zeros = np.zeros_like(user)
    return Schedule(user, zeros, zeros + month, zeros, zeros + interest)


def _sample(movies, schedule, **sessions):
    recipe = small_recipe(sessions={"wide": 0.0} | sessions)
    pools = make_pools(recipe, movies)
    return sample_rated_movies(recipe, movies, pools, schedule, 0)


def test_a_user_never_rates_a_movie_twice():
    # Eight of nine movies per user, though one has nearly all the popularity.
    movies = some_movies(9, popularity=[1e6, *[1.0] * 8])
    rated = _sample(movies, _schedule([0] * 8 + [1] * 8))
    assert len(set(rated.movie[:8])) == 8
    assert len(set(rated.movie[8:])) == 8


def test_other_movies_follow_when_all_of_an_interest_are_seen():
    movies = some_movies(6, interest=[0, 0, 1, 1, 1, 1])
    rated = _sample(movies, _schedule([0, 0, 0]))
    assert set(rated.movie[:2]) == {0, 1}
    assert list(rated.reason) == [Reason.INTEREST, Reason.INTEREST, Reason.POPULARITY]


def test_the_most_popular_unseen_movie_follows_when_sampling_finds_none():
    # Next to movie 0 the others are never sampled; movie 3 has not arrived.
    movies = some_movies(4, popularity=[1e12, 1e-3, 2e-3, 9e-3], arrival=[0, 0, 0, 30])
    rated = _sample(movies, _schedule([0, 0, 0]))
    np.testing.assert_array_equal(rated.movie, [0, 2, 1])


def test_with_chance_1_an_awaited_sequel_is_rated_next():
    # Movie 0 is the only one of interest 0; 1 is its sequel, and 2 the sequel of 1.
    movies = some_movies(5, interest=[0, 1, 1, 2, 2], sequel=[1, 2, -1, -1, -1])
    rated = _sample(movies, _schedule([0, 0, 0]), sequel=1.0)
    np.testing.assert_array_equal(rated.movie, [0, 1, 2])
    assert list(rated.reason[1:]) == [Reason.SEQUEL, Reason.SEQUEL]


def test_a_sequel_is_not_rated_before_it_arrives():
    movies = some_movies(4, interest=[0, 3, 1, 2], sequel=[1, -1, -1, -1])
    movies.arrival[1] = 7
    schedule = _schedule([0, 0, 0], month=[0, 6, 7], interest=[0, 1, 2])
    rated = _sample(movies, schedule, sequel=1.0)
    np.testing.assert_array_equal(rated.movie, [0, 2, 1])


def test_with_chance_0_no_rating_has_the_reason_sequel():
    movies = some_movies(30, sequel=[*range(1, 30), -1])
    rated = _sample(movies, _schedule([0] * 20), sequel=0.0)
    assert Reason.SEQUEL not in rated.reason


def test_a_share_of_ratings_follows_overall_popularity():
    movies = some_movies(400, interest=[0] * 200 + [1] * 200)
    rated = _sample(movies, _schedule(np.repeat(range(50), 40)), wide=0.5)
    by_popularity = rated.reason == Reason.POPULARITY
    assert 0.45 < by_popularity.mean() < 0.55
    assert 0.4 < np.mean(rated.movie[by_popularity] >= 200) < 0.6
    assert (rated.movie[~by_popularity] < 200).all()


ONLY_THE_MEAN = {"mean": 3.0, "user": 0, "movie": 0, "match": 0, "noise": 0}


def _stars(release="ml-1m", n_rows=1, **stars):
    recipe = small_recipe(release=release, stars=ONLY_THE_MEAN | stars)
    users = sample_users(recipe, 0)
    movies = some_movies(2, interest=[users.interests[0, 0], 24], quality=[-1.0, 2.0])
    rows = np.zeros(n_rows * 2, dtype=np.int64)
    rated = RatedMovies(rows, np.tile([0, 1], n_rows), rows)
    return sample_stars(recipe, movies, users, rated, 0)


def test_a_movie_of_the_users_interests_has_more_stars():
    np.testing.assert_array_equal(_stars(match=2.0), [4, 2])


def test_a_movie_of_higher_quality_has_more_stars():
    np.testing.assert_array_equal(_stars(movie=1.0), [2, 5])


def test_stars_follow_the_users_bias():
    recipe = small_recipe(stars=ONLY_THE_MEAN | {"user": 0.8})
    users = sample_users(recipe, 0)
    user = np.arange(100)
    rated = RatedMovies(user, np.zeros_like(user), user)
    stars = sample_stars(recipe, some_movies(1), users, rated, 0)
    assert np.corrcoef(stars, users.bias)[0, 1] > 0.9


def test_stars_stay_on_the_scale():
    np.testing.assert_array_equal(_stars(match=20.0), [5, 1])
    np.testing.assert_array_equal(_stars("ml-10m", match=20.0), [5, 0.5])


@pytest.mark.parametrize(
    ("release", "steps"), [("ml-1m", 1.0), ("ml-100k", 1.0), ("ml-10m", 0.5)]
)
def test_noise_reaches_every_step_of_the_scale_and_no_other(release, steps):
    stars = _stars(release, n_rows=2000, noise=2.0)
    np.testing.assert_array_equal(np.unique(stars), np.arange(steps, 5.1, steps))
