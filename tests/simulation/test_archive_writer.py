import numpy as np
import pytest

from tests.simulation.recipes import small_recipe
from two_tower.datasets.simulated_archive import SimulatedArchiveDataset
from two_tower.movielens.movies import read_movies
from two_tower.movielens.ratings import read_ratings
from two_tower.movielens.releases import RELEASES
from two_tower.movielens.users import read_users
from two_tower.simulation.archive_writer import make_archive
from two_tower.simulation.simulator import Simulation

FORMATS = ["simulated", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-latest-small"]


def _modern(genre):
    """Return a genre in the spelling of newer releases, without `'s`."""
    return genre.removesuffix("'s")


def _text(release, member, encoding="utf-8", **changes):
    members = make_archive(small_recipe(release=release, **changes))
    (found,) = [one for one in members if one.name == member]
    return b"".join(found.chunks()).decode(encoding)


@pytest.mark.parametrize("release", FORMATS)
def test_every_format_is_read_back_as_simulated(release, tmp_path):
    recipe = small_recipe(release=release)
    path = tmp_path / "simulated.zip"
    SimulatedArchiveDataset(filepath=str(path)).save(make_archive(recipe))
    simulation = Simulation.from_recipe(recipe)

    movies = read_movies(path, RELEASES[release]).to_pydict()
    assert movies["movie_id"] == simulation.movies.movie_id.tolist()
    assert movies["title"] == simulation.movies.title
    assert movies["year"] == simulation.movies.year.tolist()
    genres = [tuple(_modern(one) for one in row) for row in movies["genres"]]
    assert genres == [
        tuple(_modern(one) for one in row) for row in simulation.movies.genres
    ]

    written = [
        (user, movie, stars, timestamp)
        for chunk in simulation.rating_chunks()
        for user, movie, stars, timestamp in zip(
            chunk.users.user_id[chunk.schedule.user],
            simulation.movies.movie_id[chunk.rated.movie],
            chunk.stars,
            chunk.schedule.timestamp,
            strict=True,
        )
    ]
    read = [
        tuple(row[name] for name in ("user_id", "movie_id", "rating", "timestamp"))
        for batch in read_ratings(path, RELEASES[release])
        for row in batch.to_pylist()
    ]
    assert sorted(read) == sorted(written)


@pytest.mark.parametrize("release", ["simulated", "ml-100k"])
def test_users_are_read_back_as_simulated(release, tmp_path):
    recipe = small_recipe(release=release)
    path = tmp_path / "simulated.zip"
    SimulatedArchiveDataset(filepath=str(path)).save(make_archive(recipe))
    users = read_users(path, RELEASES[release]).to_pydict()
    simulated = list(Simulation.from_recipe(recipe).user_chunks())
    assert users["user_id"] == list(range(1, 301))
    assert users["gender"] == [one for chunk in simulated for one in chunk.gender]
    assert users["zip"] == [one for chunk in simulated for one in chunk.zip]


def test_ml_1m_users_have_age_buckets_and_occupation_codes():
    lines = _text("ml-1m", "ml-1m/users.dat", "latin-1").splitlines()
    columns = list(zip(*(line.split("::") for line in lines), strict=True))
    assert set(columns[2]) == {"1", "18", "25", "35", "45", "50", "56"}
    assert set(columns[3]) <= {str(code) for code in range(21)}


def test_ml_100k_users_have_exact_ages_and_occupation_names():
    lines = _text("ml-100k", "ml-100k/u.user", "latin-1").splitlines()
    columns = list(zip(*(line.split("|") for line in lines), strict=True))
    assert len(set(columns[1])) > 30
    assert {"student", "programmer", "retired"} < set(columns[3])


def test_ml_100k_movies_have_dates_urls_and_genre_flags():
    lines = _text("ml-100k", "ml-100k/u.item", "latin-1").splitlines()
    first = lines[0].split("|")
    assert len(first) == 5 + 19
    year = first[1][-5:-1]
    assert first[2:4] == [f"01-Jan-{year}", ""]
    assert first[4].endswith(f"%20%28{year}%29")
    assert set("".join(first[5:])) == {"0", "1"}


def test_csv_releases_have_a_header_quotes_and_crlf_line_ends():
    movies = _text("ml-20m", "ml-20m/movies.csv")
    assert movies.startswith("movieId,title,genres\r\n")
    assert ", The (1" in movies
    quoted = [line for line in movies.split("\r\n") if ", The (1" in line]
    assert all(line.split(",", 1)[1].startswith('"') for line in quoted)
    assert ',"""' in movies  # a title that starts with a quote
    assert "Children's" not in movies
    ratings = _text("ml-20m", "ml-20m/ratings.csv").split("\r\n")
    assert ratings[0] == "userId,movieId,rating,timestamp"
    assert {line.split(",")[2] for line in ratings[1:-1]} <= {
        f"{half / 2:.1f}" for half in range(1, 11)
    }


def test_each_release_has_its_own_encoding():
    old = _text("ml-1m", "ml-1m/movies.dat", "latin-1")
    new = _text("ml-10m", "ml-10M100K/movies.dat", "utf-8")
    letters = {letter for letter in old if ord(letter) > 127}
    assert letters
    assert letters == {letter for letter in new if ord(letter) > 127}


def _columns(lines, separator):
    return np.array([line.split(separator) for line in lines], dtype=float).T


def test_ratings_are_sorted_as_in_the_real_releases():
    old = _columns(_text("ml-1m", "ml-1m/ratings.dat").splitlines(), "::")
    assert (np.diff(old[0]) >= 0).all()
    assert (np.diff(old[3])[np.diff(old[0]) == 0] >= 0).all()
    oldest = _columns(_text("ml-100k", "ml-100k/u.data").splitlines(), "\t")
    assert np.mean(np.diff(oldest[0]) == 0) < 0.1
    new = _columns(_text("ml-20m", "ml-20m/ratings.csv").splitlines()[1:], ",")
    assert (np.diff(new[0]) >= 0).all()
    assert (np.diff(new[1])[np.diff(new[0]) == 0] > 0).all()


def test_the_readme_says_that_the_data_are_simulated_and_holds_the_recipe():
    readme = _text("ml-1m", "ml-1m/README", seed=77)
    assert "No movie, user or rating in it is real" in readme
    assert '"seed": 77' in readme


def test_ratings_are_written_one_chunk_of_users_at_a_time():
    members = make_archive(small_recipe(users_per_chunk=100))
    chunks = list(members[-1].chunks())
    users = [{line.split(b"::")[0] for line in one.splitlines()} for one in chunks]
    assert [len(one) for one in users] == [100, 100, 100]


def test_members_can_be_read_again():
    ratings = make_archive(small_recipe())[-1]
    assert b"".join(ratings.chunks()) == b"".join(ratings.chunks())
