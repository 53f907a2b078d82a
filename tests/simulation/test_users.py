import numpy as np
import pytest

from tests.simulation.recipes import small_recipe
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.users import n_chunks, sample_users

NAMES = [interest.name for interest in INTERESTS]
ROMANCE = NAMES.index("romantic comedies")
MUSICALS = NAMES.index("golden musicals")


def _sample(**changes):
    recipe = small_recipe(n_users=3000, n_ratings=90_000, users_per_chunk=3000)
    params = small_recipe(users=changes).users
    return sample_users(recipe.model_copy(update={"users": params}), 0)


def test_chunks_hold_all_users_and_all_ratings():
    recipe = small_recipe(n_users=250, n_ratings=7_201)
    chunks = [sample_users(recipe, chunk) for chunk in range(n_chunks(recipe))]
    assert [len(chunk.user_id) for chunk in chunks] == [100, 100, 50]
    user_ids = np.concatenate([chunk.user_id for chunk in chunks])
    np.testing.assert_array_equal(user_ids, np.arange(1, 251))
    assert sum(chunk.n_ratings.sum() for chunk in chunks) == 7_201


def test_history_lengths_keep_their_limits_and_differ():
    n_ratings = _sample().n_ratings
    assert n_ratings.min() >= 20
    assert n_ratings.max() <= 120
    assert n_ratings.mean() == pytest.approx(30)
    assert n_ratings.max() > 2 * np.median(n_ratings)


def test_demographics_resemble_those_of_movielens():
    users = _sample()
    assert set(users.gender) == {"M", "F"}
    assert users.age.min() >= 7
    assert 0.30 < np.mean((users.age >= 25) & (users.age < 35)) < 0.40
    assert set(users.occupation) == set(range(21))
    assert set(users.occupation[users.age < 18]) == {10}
    assert {len(code) for code in users.zip} == {5, 10}


def _share_with(users, interest, mask):
    return np.mean((users.interests[mask] == interest).any(axis=1))


def test_interests_depend_on_demographics():
    users = _sample(demographics=1.0)
    is_woman = np.array(users.gender) == "F"
    women = _share_with(users, ROMANCE, is_woman)
    assert women > 1.2 * _share_with(users, ROMANCE, ~is_woman)
    old = _share_with(users, MUSICALS, users.age >= 50)
    assert old > 2 * _share_with(users, MUSICALS, users.age < 25)


def test_with_strength_0_interests_do_not_depend_on_demographics():
    users = _sample(demographics=0.0)
    old = _share_with(users, MUSICALS, users.age >= 50)
    young = _share_with(users, MUSICALS, users.age < 25)
    assert old == pytest.approx(young, abs=0.08)


def test_a_user_has_distinct_interests_that_peak_one_after_another():
    users = _sample(interests=4)
    assert users.interests.shape == (3000, 4)
    assert all(len(set(row)) == 4 for row in users.interests)
    np.testing.assert_allclose(users.weights.sum(axis=1), 1.0)
    quarters = np.sort(users.peaks * 4 // 1, axis=1)
    np.testing.assert_array_equal(quarters, np.tile([0, 1, 2, 3], (3000, 1)))
