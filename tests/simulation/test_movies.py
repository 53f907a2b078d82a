from itertools import pairwise

import numpy as np
import pytest

from tests.simulation.recipes import small_recipe
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.movies import NONE, sample_movies

MOVIELENS_GENRES = {
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical"),
    *("Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
}


@pytest.fixture(scope="module")
def movies():
    return sample_movies(small_recipe())


def test_equal_seeds_give_equal_catalogues_and_other_seeds_others(movies):
    again = sample_movies(small_recipe())
    assert (again.title, again.genres) == (movies.title, movies.genres)
    np.testing.assert_array_equal(again.popularity, movies.popularity)
    assert sample_movies(small_recipe(seed=99)).title != movies.title


def test_popularity_falls_by_a_power_of_rank():
    shape = {"power": 1.5, "head": 3, "in_series": 0, "obscure": 0}
    falling = np.sort(sample_movies(small_recipe(catalogue=shape)).popularity)[::-1]
    by_hand = [4**-1.5, 5**-1.5, 6**-1.5]  # ranks 1, 2 and 3, plus a head of 3
    np.testing.assert_allclose(falling[:3], by_hand)
    assert falling[-1] == pytest.approx(403**-1.5)


def test_a_share_of_movies_is_obscure():
    shape = {"power": 0, "in_series": 0, "obscure": 0.25}
    popularity = sample_movies(small_recipe(catalogue=shape)).popularity
    assert 0.15 < np.mean(popularity < 0.01) < 0.35


def test_movies_have_one_to_four_genres_of_movielens(movies):
    assert {len(genres) for genres in movies.genres} <= {1, 2, 3, 4}
    assert {genre for genres in movies.genres for genre in genres} == MOVIELENS_GENRES


def test_genres_and_years_fit_the_interest(movies):
    main = [INTERESTS[one].genres[0] for one in movies.interest]
    has_main = [
        genre in genres for genre, genres in zip(main, movies.genres, strict=True)
    ]
    assert np.mean(has_main) > 0.9
    first_year = np.array([INTERESTS[one].years[0] for one in movies.interest])
    assert (movies.year >= first_year).all()


def test_ids_rise_with_gaps(movies):
    steps = np.diff(movies.movie_id)
    assert set(steps) == {1, 2}


def test_a_sequel_is_newer_less_popular_and_of_equal_interest_and_genres(movies):
    first = np.flatnonzero(movies.sequel != NONE)
    second = movies.sequel[first]
    assert len(first) > 30
    assert len(set(second)) == len(second)
    # A sequel that arrives within the timeline has the year of its arrival.
    assert (movies.year[second] >= movies.year[first]).all()
    assert (movies.arrival[second] >= movies.arrival[first]).all()
    np.testing.assert_array_equal(movies.interest[second], movies.interest[first])
    assert [movies.genres[row] for row in first] == [movies.genres[r] for r in second]
    assert (movies.popularity[second] < movies.popularity[first]).all()


def test_the_given_share_arrives_late_with_the_year_of_its_arrival(movies):
    late = movies.arrival > 0
    assert late.sum() == 0.08 * 400
    np.testing.assert_array_equal(movies.year[late], 2000 + movies.arrival[late] // 12)
    assert movies.year[~late].max() == 1999
    assert all(a <= b for a, b in pairwise(movies.arrival))


def test_every_interest_has_a_movie_in_month_0(movies):
    assert set(movies.interest[movies.arrival == 0]) == set(range(len(INTERESTS)))


def test_a_second_interest_shares_a_genre(movies):
    crossover = np.flatnonzero(movies.second_interest != NONE)
    assert 0.1 < len(crossover) / 400 < 0.3
    for row in crossover:
        first = INTERESTS[movies.interest[row]]
        second = INTERESTS[movies.second_interest[row]]
        assert first is not second
        assert set(first.genres) & set(second.genres)
