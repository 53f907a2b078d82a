import numpy as np

from tests.simulation.catalogues import some_movies
from tests.simulation.recipes import small_recipe
from two_tower.simulation.choices import Reason, make_choices
from two_tower.simulation.pools import make_pools
from two_tower.simulation.sessions import Schedule


def _schedule(user, month=0, interest=0):
    user = np.array(user)
    zeros = np.zeros_like(user)
    return Schedule(user, zeros, zeros + month, zeros, zeros + interest)


def _choose(movies, schedule, **sessions):
    recipe = small_recipe(sessions={"wide": 0.0} | sessions)
    return make_choices(recipe, movies, make_pools(recipe, movies), schedule, 0)


def test_a_user_never_rates_a_movie_twice():
    # Eight of nine movies each, though one is drawn nearly always.
    movies = some_movies(9, popularity=[1e6, *[1.0] * 8])
    choices = _choose(movies, _schedule([0] * 8 + [1] * 8))
    assert len(set(choices.movie[:8])) == 8
    assert len(set(choices.movie[8:])) == 8


def test_an_interest_that_is_used_up_gives_way_to_other_movies():
    movies = some_movies(6, interest=[0, 0, 1, 1, 1, 1])
    choices = _choose(movies, _schedule([0, 0, 0]))
    assert set(choices.movie[:2]) == {0, 1}
    assert list(choices.reason) == [Reason.INTEREST, Reason.INTEREST, Reason.POPULARITY]


def test_the_most_popular_is_taken_where_draws_find_nothing_unseen():
    # Beside movie 0 the others are never drawn; movie 3 is not there yet.
    movies = some_movies(4, popularity=[1e12, 1e-3, 2e-3, 9e-3], arrival=[0, 0, 0, 30])
    choices = _choose(movies, _schedule([0, 0, 0]))
    np.testing.assert_array_equal(choices.movie, [0, 2, 1])


def test_a_sequel_is_watched_next_if_always_awaited():
    # Movie 0 is all that is drawn from interest 0; 1 follows it and 2 follows 1.
    movies = some_movies(5, interest=[0, 1, 1, 2, 2], sequel=[1, 2, -1, -1, -1])
    choices = _choose(movies, _schedule([0, 0, 0]), sequel=1.0)
    np.testing.assert_array_equal(choices.movie, [0, 1, 2])
    assert list(choices.reason[1:]) == [Reason.SEQUEL, Reason.SEQUEL]


def test_a_sequel_is_not_watched_before_it_arrives():
    movies = some_movies(4, interest=[0, 3, 1, 2], sequel=[1, -1, -1, -1])
    movies.arrival[1] = 7
    schedule = _schedule([0, 0, 0], month=[0, 6, 7], interest=[0, 1, 2])
    choices = _choose(movies, schedule, sequel=1.0)
    np.testing.assert_array_equal(choices.movie, [0, 2, 1])


def test_without_sequels_nothing_is_a_sequel():
    movies = some_movies(30, sequel=[*range(1, 30), -1])
    choices = _choose(movies, _schedule([0] * 20), sequel=0.0)
    assert Reason.SEQUEL not in choices.reason


def test_some_choices_follow_overall_popularity():
    movies = some_movies(400, interest=[0] * 200 + [1] * 200)
    choices = _choose(movies, _schedule(np.repeat(range(50), 40)), wide=0.5)
    by_popularity = choices.reason == Reason.POPULARITY
    assert 0.45 < by_popularity.mean() < 0.55
    assert 0.4 < np.mean(choices.movie[by_popularity] >= 200) < 0.6
    assert (choices.movie[~by_popularity] < 200).all()
