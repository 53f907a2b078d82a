"""Statistics of the ratings, from samples large enough to be stable; ground truth."""

import tracemalloc
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest

from tests.simulation.recipes import project_values, small_recipe
from two_tower.simulation import simulator
from two_tower.simulation.archive_writer import make_archive
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.movies import NONE
from two_tower.simulation.recipe import Recipe
from two_tower.simulation.sessions import sample_schedule
from two_tower.simulation.simulator import GroundTruth, Simulation


@pytest.fixture(scope="module")
def simulation():
    return Simulation.from_recipe(Recipe.model_validate(project_values()))


@pytest.fixture(scope="module")
def chunk(simulation):
    (only,) = simulation.rating_chunks()
    return only


@pytest.fixture(scope="module")
def counts(simulation, chunk):
    """Return the ratings of each movie."""
    n_movies = len(simulation.movies.title)
    return np.bincount(chunk.rated.movie, minlength=n_movies)


def test_users_and_ratings_have_the_numbers_of_the_recipe(chunk):
    assert len(chunk.users.user_id) == 2_000
    assert len(chunk.stars) == 150_000


def test_popularity_is_a_power_law_with_a_long_tail(counts):
    falling = np.sort(counts)[::-1]
    assert falling[:100].sum() > 0.3 * falling.sum()
    assert falling[500:].sum() < 0.25 * falling.sum()
    # A power law is a line in log-log scale, except the flattened head and the tail.
    rank = np.arange(20, 300)
    correlation = np.corrcoef(np.log(rank), np.log(falling[rank]))[0, 1]
    assert correlation < -0.98


def test_some_movies_share_a_name_and_differ_in_the_year(simulation):
    titles = simulation.movies.title
    assert len(set(titles)) == 1_000
    assert 950 < len({title[: -len(" (1990)")] for title in titles}) < 1_000


def test_some_movies_arrive_late_and_some_have_no_ratings(simulation, counts):
    assert 0 < np.count_nonzero(counts == 0) < 50
    arrival = simulation.movies.arrival
    assert np.mean(arrival > 0) == pytest.approx(0.08)
    assert counts[arrival >= 30].mean() < 0.6 * counts[arrival == 0].mean()


def test_no_movie_is_rated_before_it_arrives(simulation, chunk):
    arrival = simulation.movies.arrival[chunk.rated.movie]
    assert (chunk.schedule.month >= arrival).all()


def test_a_sequel_tends_to_follow_within_a_few_ratings(simulation, chunk):
    movie, user = chunk.rated.movie, chunk.schedule.user
    awaited = simulation.movies.sequel[movie[:-3]]
    near = [
        (movie[gap : len(movie) - 3 + gap] == awaited)
        & (user[gap : len(user) - 3 + gap] == user[:-3])
        for gap in (1, 2, 3)
    ]
    followed = np.any(near, axis=0)[awaited != NONE]
    assert followed.mean() > 0.4  # under 0.01 by popularity alone


def test_the_next_movie_mostly_has_an_equal_interest(simulation, chunk):
    interest = simulation.movies.interest[chunk.rated.movie]
    same_user = np.diff(chunk.schedule.user) == 0
    assert np.mean((np.diff(interest) == 0)[same_user]) > 0.5


def test_users_give_more_stars_to_movies_of_their_interests(simulation, chunk):
    interest = simulation.movies.interest[chunk.rated.movie]
    own = chunk.users.interests[chunk.schedule.user]
    matches = (own == interest[:, None]).any(axis=1)
    assert chunk.stars[matches].mean() > chunk.stars[~matches].mean() + 0.4


def test_new_movies_are_rated_most_soon_after_their_arrival(simulation, chunk):
    month, arrival = chunk.schedule.month, simulation.movies.arrival
    age = month - arrival[chunk.rated.movie]
    is_late = (arrival[chunk.rated.movie] > 0) & (arrival[chunk.rated.movie] <= 24)
    ages = np.bincount(age[is_late], minlength=12)
    assert ages[:3].sum() > 1.5 * ages[9:12].sum()


def _hit_rate(scores, seen, target):
    """Return HR@10 of the targets among the unseen movies."""
    scores = np.where(seen, -1.0, scores)
    own = scores[np.arange(len(target)), target]
    return np.mean((scores >= own[:, None]).sum(axis=1) <= 10)


def test_the_last_movie_predicts_the_next_far_better_than_popularity(counts, chunk):
    movie, user = chunk.rated.movie, chunk.schedule.user
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


def test_chunks_are_sampled_on_demand(monkeypatch):
    sampled = []

    def sample(recipe, users, chunk):
        sampled.append(chunk)
        return sample_schedule(recipe, users, chunk)

    monkeypatch.setattr(simulator, "sample_schedule", sample)
    simulation = Simulation.from_recipe(
        small_recipe(n_users=10**6, n_ratings=3 * 10**7)
    )
    first = list(islice(simulation.rating_chunks(), 2))
    assert sampled == [0, 1]
    assert [len(chunk.users.user_id) for chunk in first] == [100, 100]


def _peak_memory(n_users):
    simulation = Simulation.from_recipe(
        small_recipe(n_users=n_users, n_ratings=30 * n_users)
    )
    tracemalloc.start()
    for _ in simulation.rating_chunks():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_number_of_ratings():
    assert _peak_memory(n_users=2_000) < 1.3 * _peak_memory(n_users=200)


@pytest.fixture(scope="module")
def ground_truth():
    return pa.Table.from_batches(GroundTruth(small_recipe())).to_pandas()


def test_the_ground_truth_has_a_row_for_each_rating_of_the_archive(ground_truth):
    members = make_archive(small_recipe())
    lines = b"".join(members[-1].chunks()).decode().splitlines()
    written = [tuple(line.split("::")) for line in lines]
    columns = ["user_id", "movie_id", "timestamp"]
    rows = ground_truth[columns].astype(str).itertuples(index=False, name=None)
    assert list(rows) == [(user, movie, time) for user, movie, _, time in written]


def test_the_true_interest_is_null_for_ratings_by_popularity(ground_truth):
    is_null = ground_truth.interest.isna()
    assert (is_null == (ground_truth.reason == "popularity")).all()
    assert set(ground_truth.reason) == {"interest", "sequel", "popularity"}
    names = {interest.name for interest in INTERESTS}
    assert set(ground_truth.interest.dropna()) <= names


def test_a_session_has_one_true_interest(ground_truth):
    rows = ground_truth[ground_truth.reason == "interest"]
    assert (rows.groupby(["user_id", "session"]).interest.nunique() == 1).all()


def test_the_true_interest_of_a_sequel_is_that_of_the_movie(ground_truth):
    rows = ground_truth[ground_truth.reason == "sequel"]
    assert (rows.interest == rows.movie_interest).all()


def test_most_movies_rated_by_interest_have_it_as_their_first(ground_truth):
    rows = ground_truth[ground_truth.reason == "interest"]
    assert (rows.interest == rows.movie_interest).mean() > 0.85


def test_the_ground_truth_holds_the_first_interest_of_each_movie(ground_truth):
    movies = Simulation.from_recipe(small_recipe()).movies
    names = {
        movie: INTERESTS[interest].name
        for movie, interest in zip(movies.movie_id, movies.interest, strict=True)
    }
    assert (ground_truth.movie_interest == ground_truth.movie_id.map(names)).all()


def test_the_ground_truth_can_be_read_again_and_is_no_iterator():
    ground_truth = GroundTruth(small_recipe())
    assert pa.Table.from_batches(ground_truth) == pa.Table.from_batches(ground_truth)
    assert not isinstance(ground_truth, Iterator)  # Kedro would save it batch by batch
