import numpy as np
import pytest

from tests.simulation.catalogues import some_movies
from tests.simulation.recipes import small_recipe
from two_tower.simulation.pools import ALL_MOVIES, make_pools

UNIFORM = np.linspace(0, 1, 10_000, endpoint=False)[None, :]


def _pools(movies, novelty=0.0, months=12):
    sessions = {"novelty": novelty, "novelty_months": 1.0}
    return make_pools(
        small_recipe(sessions=sessions, timeline={"months": months}), movies
    )


def _shares(pools, month, pool, n_movies):
    movies = pools.sample(np.array([month]), np.array([pool]), UNIFORM)
    return np.bincount(movies.ravel(), minlength=n_movies) / UNIFORM.size


def test_movies_are_sampled_by_popularity_within_their_interest():
    movies = some_movies(4, interest=[0, 1, 0, 1], popularity=[1.0, 9.0, 3.0, 1.0])
    pools = _pools(movies)
    shares = [_shares(pools, 0, pool, 4) for pool in (0, 1, ALL_MOVIES)]
    expected = [
        [1 / 4, 0, 3 / 4, 0],
        [0, 0.9, 0, 0.1],
        [1 / 14, 9 / 14, 3 / 14, 1 / 14],
    ]
    np.testing.assert_allclose(shares, expected, atol=2e-4)


def test_a_movie_has_less_weight_in_its_second_interest():
    movies = some_movies(2, interest=[0, 1], second_interest=[1, -1])
    shares = _shares(_pools(movies), 0, 1, 2)
    np.testing.assert_allclose(shares, [0.3 / 1.3, 1 / 1.3], atol=2e-4)


@pytest.mark.parametrize("pool", [0, ALL_MOVIES])
def test_a_movie_is_never_sampled_before_it_arrives(pool):
    pools = _pools(some_movies(3, arrival=[0, 0, 5]), novelty=2.0)
    np.testing.assert_allclose(_shares(pools, 4, pool, 3), [0.5, 0.5, 0], atol=2e-4)
    assert _shares(pools, 5, pool, 3)[2] > 0


def test_a_new_movie_has_extra_weight_that_fades():
    pools = _pools(some_movies(2, arrival=[0, 5]), novelty=2.0)
    # The weight is 1 + 2 on arrival, 1 + 2/e a month later, and finally 1.
    expected = [3 / 4, (1 + 2 / np.e) / (2 + 2 / np.e), 1 / 2]
    shares = [_shares(pools, month, 0, 2)[1] for month in (5, 6, 11)]
    np.testing.assert_allclose(shares, expected, atol=2e-4)


def test_each_row_samples_from_its_own_pool():
    movies = some_movies(3, interest=[0, 1, 2])
    sampled = _pools(movies).sample(
        np.array([0, 3, 11]), np.array([2, 0, 1]), np.array([[0.0], [0.5], [0.999]])
    )
    np.testing.assert_array_equal(sampled, [[2], [0], [1]])
