from collections.abc import Iterator

import pyarrow as pa
import pytest

from tests.simulation.recipes import small_recipe
from two_tower.simulation.archive_writer import make_archive
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.simulator import Simulation, Truth

RECIPE = small_recipe()


@pytest.fixture(scope="module")
def truth():
    return pa.Table.from_batches(Truth(RECIPE)).to_pandas()


def test_it_has_a_row_for_each_rating_of_the_archive(truth):
    ratings = b"".join(make_archive(RECIPE)[-1].chunks()).decode().splitlines()
    written = [tuple(line.split("::")) for line in ratings]
    columns = ["user_id", "movie_id", "timestamp"]
    told = truth[columns].astype(str).itertuples(index=False, name=None)
    assert list(told) == [(user, movie, time) for user, movie, _, time in written]


def test_an_interest_is_known_unless_popularity_decided(truth):
    unknown = truth.interest.isna()
    assert (unknown == (truth.reason == "popularity")).all()
    assert set(truth.reason) == {"interest", "sequel", "popularity"}
    assert set(truth.interest.dropna()) <= {one.name for one in INTERESTS}


def test_a_session_that_follows_an_interest_follows_one(truth):
    chosen = truth[truth.reason == "interest"]
    assert (chosen.groupby(["user_id", "session"]).interest.nunique() == 1).all()


def test_a_sequel_follows_the_interest_it_serves(truth):
    sequels = truth[truth.reason == "sequel"]
    assert (sequels.interest == sequels.movie_interest).all()


def test_most_choices_serve_the_interest_followed(truth):
    chosen = truth[truth.reason == "interest"]
    assert (chosen.interest == chosen.movie_interest).mean() > 0.85


def test_a_movie_serves_one_interest_first(truth):
    movies = Simulation.of(RECIPE).movies
    names = {
        movie: INTERESTS[interest].name
        for movie, interest in zip(movies.movie_id, movies.interest, strict=True)
    }
    assert (truth.movie_interest == truth.movie_id.map(names)).all()


def test_it_can_be_read_again_and_kedro_saves_it_as_one():
    truth = Truth(RECIPE)
    assert pa.Table.from_batches(truth) == pa.Table.from_batches(truth)
    assert not isinstance(truth, Iterator)
