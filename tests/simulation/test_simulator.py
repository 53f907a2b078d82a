"""What the ratings as a whole look like; sizes are such that chance hides nothing."""

import tracemalloc
from itertools import islice

import numpy as np
import pytest

from tests.simulation.recipes import project_values, small_recipe
from two_tower.simulation import simulator
from two_tower.simulation.movies import NOWHERE
from two_tower.simulation.recipe import Recipe
from two_tower.simulation.sessions import make_schedule
from two_tower.simulation.simulator import Simulation


@pytest.fixture(scope="module")
def simulation():
    return Simulation.of(Recipe.model_validate(project_values()))


@pytest.fixture(scope="module")
def chunk(simulation):
    (only,) = simulation.chunks()
    return only


@pytest.fixture(scope="module")
def counts(simulation, chunk):
    """Return the ratings of each movie."""
    n_movies = len(simulation.movies.title)
    return np.bincount(chunk.choices.movie, minlength=n_movies)


def test_users_and_ratings_are_as_many_as_asked_for(chunk):
    assert len(chunk.people.user_id) == 2_000
    assert len(chunk.stars) == 150_000


def test_few_movies_take_much_and_many_take_little(counts):
    falling = np.sort(counts)[::-1]
    assert falling[:100].sum() > 0.3 * falling.sum()
    assert falling[500:].sum() < 0.25 * falling.sum()
    # A power law is a line in logarithms; the flattened head and the tail aside.
    rank = np.arange(20, 300)
    correlation = np.corrcoef(np.log(rank), np.log(falling[rank]))[0, 1]
    assert correlation < -0.98


def test_some_movies_share_a_name_and_differ_in_the_year(simulation):
    titles = simulation.movies.title
    assert len(set(titles)) == 1_000
    assert 950 < len({title[: -len(" (1990)")] for title in titles}) < 1_000


def test_some_movies_arrive_late_and_some_stay_cold(simulation, counts):
    assert 0 < np.count_nonzero(counts == 0) < 50
    arrival = simulation.movies.arrival
    assert np.mean(arrival > 0) == pytest.approx(0.08)
    assert counts[arrival >= 30].mean() < 0.6 * counts[arrival == 0].mean()


def test_no_movie_is_rated_before_it_arrives(simulation, chunk):
    arrival = simulation.movies.arrival[chunk.choices.movie]
    assert (chunk.schedule.month >= arrival).all()


def test_a_sequel_tends_to_follow_within_a_few_ratings(simulation, chunk):
    movie, user = chunk.choices.movie, chunk.schedule.user
    awaited = simulation.movies.sequel[movie[:-3]]
    near = [
        (movie[gap : len(movie) - 3 + gap] == awaited)
        & (user[gap : len(user) - 3 + gap] == user[:-3])
        for gap in (1, 2, 3)
    ]
    followed = np.any(near, axis=0)[awaited != NOWHERE]
    assert followed.mean() > 0.4  # by popularity alone it would be under 0.01


def test_what_comes_next_mostly_serves_the_same_interest(simulation, chunk):
    interest = simulation.movies.interest[chunk.choices.movie]
    same_user = np.diff(chunk.schedule.user) == 0
    assert np.mean((np.diff(interest) == 0)[same_user]) > 0.5


def test_users_rate_what_they_like_better(simulation, chunk):
    served = simulation.movies.interest[chunk.choices.movie]
    likes = chunk.people.interests[chunk.schedule.user] == served[:, None]
    likes = likes.any(axis=1)
    assert chunk.stars[likes].mean() > chunk.stars[~likes].mean() + 0.4


def test_new_arrivals_are_rated_soon(simulation, chunk):
    month, arrival = chunk.schedule.month, simulation.movies.arrival
    age = month - arrival[chunk.choices.movie]
    is_late = (arrival[chunk.choices.movie] > 0) & (arrival[chunk.choices.movie] <= 24)
    ages = np.bincount(age[is_late], minlength=12)
    assert ages[:3].sum() > 1.5 * ages[9:12].sum()


def _hit_rate(scores, seen, target):
    """Return how often the target is among the ten best that were not seen."""
    scores = np.where(seen, -1.0, scores)
    own = scores[np.arange(len(target)), target]
    return np.mean((scores >= own[:, None]).sum(axis=1) <= 10)


def test_the_last_movie_tells_the_next_far_better_than_popularity(counts, chunk):
    movie, user = chunk.choices.movie, chunk.schedule.user
    last = np.append(np.flatnonzero(np.diff(user)), len(user) - 1)
    is_train = np.ones(len(user), dtype=bool)
    is_train[last] = False
    seen = np.zeros((2_000, len(counts)), dtype=bool)
    seen[user[is_train], movie[is_train]] = True
    follows = np.zeros((len(counts), len(counts)))
    pairs = np.flatnonzero((np.diff(user) == 0) & is_train[1:])
    np.add.at(follows, (movie[pairs], movie[pairs + 1]), 1.0)
    popularity = _hit_rate(np.tile(seen.sum(axis=0), (2_000, 1)), seen, movie[last])
    transitions = _hit_rate(follows[movie[last - 1]], seen, movie[last])
    assert 0.05 < popularity < 0.1
    assert transitions > 3 * popularity


def test_a_chunk_is_made_when_it_is_asked_for(monkeypatch):
    made = []

    def make(recipe, people, chunk):
        made.append(chunk)
        return make_schedule(recipe, people, chunk)

    monkeypatch.setattr(simulator, "make_schedule", make)
    simulation = Simulation.of(small_recipe(n_users=10**6, n_ratings=3 * 10**7))
    first = list(islice(simulation.chunks(), 2))
    assert made == [0, 1]
    assert [len(chunk.people.user_id) for chunk in first] == [100, 100]


def _peak_memory(n_users):
    simulation = Simulation.of(small_recipe(n_users=n_users, n_ratings=30 * n_users))
    tracemalloc.start()
    for _ in simulation.chunks():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_number_of_ratings():
    assert _peak_memory(n_users=2_000) < 1.3 * _peak_memory(n_users=200)
