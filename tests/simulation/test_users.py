import numpy as np
import pytest

from tests.simulation.recipes import small_recipe
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.users import make_people, n_chunks

NAMES = [interest.name for interest in INTERESTS]
ROMANCE = NAMES.index("romantic comedies")
MUSICALS = NAMES.index("golden musicals")


def _many(**users):
    recipe = small_recipe(n_users=3000, n_ratings=90_000, users_per_chunk=3000)
    return make_people(recipe.model_copy(update={"users": _users(**users)}), 0)


def _users(**changes):
    return small_recipe(users=changes).users


def test_chunks_hold_all_users_and_all_ratings():
    recipe = small_recipe(n_users=250, n_ratings=7_201)
    chunks = [make_people(recipe, chunk) for chunk in range(n_chunks(recipe))]
    assert [len(chunk.user_id) for chunk in chunks] == [100, 100, 50]
    users = np.concatenate([chunk.user_id for chunk in chunks])
    np.testing.assert_array_equal(users, np.arange(1, 251))
    assert sum(chunk.n_ratings.sum() for chunk in chunks) == 7_201


def test_histories_keep_their_limits_and_differ():
    n_ratings = _many().n_ratings
    assert n_ratings.min() >= 20
    assert n_ratings.max() <= 120
    assert n_ratings.mean() == pytest.approx(30)
    assert n_ratings.max() > 2 * np.median(n_ratings)


def test_demographics_look_like_those_of_movielens():
    people = _many()
    assert set(people.gender) == {"M", "F"}
    assert people.age.min() >= 7
    assert 0.30 < np.mean((people.age >= 25) & (people.age < 35)) < 0.40
    assert set(people.occupation) == set(range(21))
    assert set(people.occupation[people.age < 18]) == {10}
    assert {len(code) for code in people.zip} == {5, 10}


def _share_with(people, interest, chosen):
    return np.mean((people.interests[chosen] == interest).any(axis=1))


def test_demographics_tell_about_interests():
    people = _many(demographics=1.0)
    is_woman = np.array(people.gender) == "F"
    women = _share_with(people, ROMANCE, is_woman)
    assert women > 1.2 * _share_with(people, ROMANCE, ~is_woman)
    old = _share_with(people, MUSICALS, people.age >= 50)
    assert old > 2 * _share_with(people, MUSICALS, people.age < 25)


def test_without_strength_demographics_tell_nothing():
    people = _many(demographics=0.0)
    old = _share_with(people, MUSICALS, people.age >= 50)
    young = _share_with(people, MUSICALS, people.age < 25)
    assert old == pytest.approx(young, abs=0.08)


def test_a_user_has_different_interests_that_peak_one_after_another():
    people = _many(interests=4)
    assert people.interests.shape == (3000, 4)
    assert all(len(set(row)) == 4 for row in people.interests)
    np.testing.assert_allclose(people.weights.sum(axis=1), 1.0)
    quarters = np.sort(people.peaks * 4 // 1, axis=1)
    np.testing.assert_array_equal(quarters, np.tile([0, 1, 2, 3], (3000, 1)))
