import gc
import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

import pytest
from kedro.io import DatasetError

from tests.movielens.archives import FILES, MOVIES, RATINGS, USERS, write_archive
from two_tower.datasets import movielens_table
from two_tower.datasets.movielens_table import MovieLensTableDataset
from two_tower.movielens import download
from two_tower.movielens.releases import RELEASES


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ml-1m.zip"


@pytest.fixture
def describe(path, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    def describe(table, release="ml-1m"):
        return MovieLensTableDataset(
            filepath=str(path), release=release, table=table, metadata={"a": 1}
        )

    return describe


def rows(table, by):
    return table.order_by(by).to_pyarrow().to_pylist()


def test_each_table_is_loaded_with_its_types(path, describe):
    write_archive(path, "ml-1m")
    ratings, movies, users = (
        describe(table).load() for table in ("ratings", "movies", "users")
    )
    assert rows(ratings, "event_id") == RATINGS
    assert rows(movies, "movie_id") == MOVIES
    assert rows(users, "user_id") == USERS
    assert str(ratings.schema()["rating"]) == "float32"
    assert str(movies.schema()["genres"]) == "array<string>"
    assert str(movies.schema()["year"]) == "int32"


@pytest.mark.parametrize("release", ["ml-10m", "ml-25m"])
def test_a_release_without_users_has_an_empty_table_of_them(path, describe, release):
    write_archive(path, release)
    users = describe("users", release).load()
    assert users.columns == ("user_id", "gender", "age", "occupation", "zip")
    assert rows(users, "user_id") == []


@pytest.mark.parametrize("release", FILES)
def test_tables_of_every_release_meet_on_one_connection(path, describe, release):
    write_archive(path, release)
    ratings, movies = (describe(t, release).load() for t in ("ratings", "movies"))
    met = ratings.join(movies, "movie_id")[["event_id", "title"]]
    titles = [row["title"] for row in rows(met, "event_id")]
    assert titles == [MOVIES[i]["title"] for i in (1, 0, 0, 2)]


def test_what_was_unpacked_goes_with_the_last_expression(path, describe):
    write_archive(path, "ml-1m")
    table = describe("ratings").load()  # the dataset itself is gone at once
    liked = table.filter(table.rating >= 4)
    del table
    gc.collect()
    assert liked.count().execute() == 2
    assert len(list(Path(gettempdir()).iterdir())) == 1
    del liked
    gc.collect()
    assert list(Path(gettempdir()).iterdir()) == []


@pytest.mark.parametrize("table", ["ratings", "movies", "users"])
def test_a_corrupt_archive_is_a_dataset_error_and_leaves_nothing(path, describe, table):
    whole = write_archive(path, "ml-1m").read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(DatasetError, match=r"^\S*ml-1m\.zip is no whole zip archive"):
        describe(table).load()
    assert list(Path(gettempdir()).iterdir()) == []


def test_a_malformed_line_is_named_in_the_dataset_error(path, describe):
    write_archive(path, "ml-1m", {"ratings.dat": "5::20::4::978300760\n5::20\n"})
    with pytest.raises(
        DatasetError, match=r"^line 2 of ml-1m/ratings\.dat in \S+ is no"
    ):
        describe("ratings").load()


def test_the_fingerprint_is_the_archives_md5(path, describe):
    write_archive(path, "ml-1m")
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    assert describe("ratings").fingerprint() == md5
    path.write_bytes(b"another")
    assert describe("ratings").fingerprint() != md5


def test_the_log_says_whether_the_archive_is_grouplens_own(
    path, describe, caplog, monkeypatch
):
    write_archive(path, "ml-1m")
    md5 = describe("users").fingerprint()
    caplog.set_level(logging.INFO)
    describe("users").load()
    own = {"ml-1m": replace(RELEASES["ml-1m"], md5=md5)}
    monkeypatch.setattr(movielens_table, "RELEASES", own)
    describe("users").load()
    found = [f"read 2 users of {path}, MD5 {md5}"] * 2
    assert caplog.messages == [
        f"{found[0]}, which is not GroupLens' c4d9eecfca2ab87c1945afe126590906",
        f"{found[1]} as published by GroupLens",
    ]


def test_an_archive_that_is_there_is_never_downloaded(path, describe, monkeypatch):
    monkeypatch.setattr(download, "fetch", None)
    write_archive(path, "ml-1m")
    assert describe("ratings").load().count().execute() == 4


def test_an_absent_archive_is_downloaded(path, describe, monkeypatch):
    def fetch(release, target):
        write_archive(target, release.name)

    monkeypatch.setattr(download, "fetch", fetch)
    assert not describe("ratings").exists()
    assert rows(describe("ratings").load(), "event_id") == RATINGS
    assert describe("ratings").exists()


def test_absent_and_offline_says_what_to_put_where(path, describe, monkeypatch):
    url = "http://127.0.0.1:9/ml-1m.zip"  # "discard": nobody listens
    nowhere = {"ml-1m": replace(RELEASES["ml-1m"], url=url)}
    monkeypatch.setattr(movielens_table, "RELEASES", nowhere)
    monkeypatch.setattr(download, "PAUSES", ())
    with pytest.raises(DatasetError) as error:
        describe("ratings").load()
    assert str(error.value) == (
        f"{path} is absent and can't be downloaded: no connection to 127.0.0.1:9 "
        f"(1 attempts); get {url} some other way and put it there under this name"
    )
    assert not path.exists()


def test_the_simulated_archive_is_never_downloaded(describe, monkeypatch):
    monkeypatch.setattr(download, "fetch", None)
    with pytest.raises(DatasetError, match="kedro run --pipelines simulation"):
        describe("ratings", "simulated").load()


def test_a_preview_shows_the_first_rows(path, describe):
    assert describe("movies").preview()["data"] == []
    write_archive(path, "ml-1m")
    assert describe("movies").preview(nrows=1) == {
        "index": [0],
        "columns": ["movie_id", "title", "genres", "year"],
        "data": [[10, "Toy Story (1995)", "Animation, Children's, Comedy", 1995]],
    }
    assert [row[0] for row in describe("ratings").preview(nrows=3)["data"]] == [0, 1, 2]


def test_an_unknown_release_or_table_is_refused_with_those_allowed(path):
    with pytest.raises(DatasetError, match="'ml-2m'; allowed are ml-100k, ml-1m"):
        MovieLensTableDataset(filepath=str(path), release="ml-2m", table="ratings")
    with pytest.raises(
        DatasetError, match="'tags'; allowed are ratings, movies, users"
    ):
        MovieLensTableDataset(filepath=str(path), release="ml-1m", table="tags")


def test_archives_are_only_read(path, describe):
    write_archive(path, "ml-1m")
    before = path.read_bytes()
    with pytest.raises(DatasetError, match="only read"):
        describe("users").save(describe("users").load())
    assert path.read_bytes() == before


@pytest.mark.movielens
@pytest.mark.parametrize(
    ("file", "release", "counts"),  # of ratings, users, movies, titles
    [
        ("ml-100k.zip", "ml-100k", (100_000, 943, 1_682, 1_664)),
        ("ml-latest-small.zip", "ml-latest-small", (100_836, 610, 9_742, 9_737)),
        ("ml-1m-dev.zip", "ml-1m", (994_165, 6_040, 3_883, 3_883)),
    ],
)
def test_the_real_archives_hold_what_they_should(  # covers: N1 N2 N4
    real_archive, file, release, counts
):
    path = str(real_archive(file))
    ratings, movies = (
        MovieLensTableDataset(filepath=path, release=release, table=table).load()
        for table in ("ratings", "movies")
    )
    n_ratings, n_users, n_movies, n_titles = counts
    assert (
        ratings.count().execute() == n_ratings == ratings.event_id.max().execute() + 1
    )
    assert ratings.user_id.nunique().execute() == n_users
    assert movies.count().execute() == n_movies == movies.movie_id.nunique().execute()
    assert movies.title.nunique().execute() == n_titles


@pytest.mark.movielens
def test_the_first_rows_of_the_real_ml_100k(real_archive):  # covers: N1
    path = str(real_archive("ml-100k.zip"))
    ratings, movies, users = (
        MovieLensTableDataset(filepath=path, release="ml-100k", table=table)
        for table in ("ratings", "movies", "users")
    )
    assert ratings.preview(1)["data"] == [[0, 196, 242, 3.0, 881250949]]
    genres = "Animation, Children's, Comedy"
    assert movies.preview(1)["data"] == [[1, "Toy Story (1995)", genres, 1995]]
    assert users.preview(1)["data"] == [[1, "M", 24, "technician", "85711"]]
