import numpy as np
import pytest

from tests.simulation.catalogues import some_movies
from tests.simulation.recipes import small_recipe
from two_tower.simulation.choices import Choices, make_stars
from two_tower.simulation.users import make_people

NO_ITEM = {"mean": 3.0, "user": 0, "movie": 0, "match": 0, "noise": 0}


def _stars(release="ml-1m", n_rows=1, **stars):
    recipe = small_recipe(release=release, stars=NO_ITEM | stars)
    people = make_people(recipe, 0)
    movies = some_movies(2, interest=[people.interests[0, 0], 24], quality=[-1.0, 2.0])
    rows = np.zeros(n_rows * 2, dtype=np.int64)
    choices = Choices(rows, np.tile([0, 1], n_rows), rows)
    return make_stars(recipe, movies, people, choices, 0)


def test_a_movie_of_the_users_interests_is_rated_better():
    np.testing.assert_array_equal(_stars(match=2.0), [4, 2])


def test_a_better_movie_is_rated_better():
    np.testing.assert_array_equal(_stars(movie=1.0), [2, 5])


def test_users_differ_in_how_well_they_rate():
    recipe = small_recipe(stars=NO_ITEM | {"user": 0.8})
    people = make_people(recipe, 0)
    user = np.arange(100)
    choices = Choices(user, np.zeros_like(user), user)
    stars = make_stars(recipe, some_movies(1), people, choices, 0)
    assert np.corrcoef(stars, people.bias)[0, 1] > 0.9


def test_ratings_stay_on_the_scale():
    np.testing.assert_array_equal(_stars(match=20.0), [5, 1])
    np.testing.assert_array_equal(_stars("ml-10m", match=20.0), [5, 0.5])


@pytest.mark.parametrize(
    ("release", "steps"), [("ml-1m", 1.0), ("ml-100k", 1.0), ("ml-10m", 0.5)]
)
def test_noise_reaches_every_step_of_the_scale_and_no_other(release, steps):
    found = _stars(release, n_rows=2000, noise=2.0)
    np.testing.assert_array_equal(np.unique(found), np.arange(steps, 5.1, steps))
