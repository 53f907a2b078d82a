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
def open_table(path, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    def open_table(table, release="ml-1m"):
        return MovieLensTableDataset(
            filepath=str(path), release=release, table=table, metadata={"a": 1}
        )

    return open_table


def rows(table, by):
    return table.order_by(by).to_pyarrow().to_pylist()


def test_each_table_is_loaded_with_its_types(path, open_table):
    write_archive(path, "ml-1m")
    ratings, movies, users = (
        open_table(table).load() for table in ("ratings", "movies", "users")
    )
    assert rows(ratings, "event_id") == RATINGS
    assert rows(movies, "movie_id") == MOVIES
    assert rows(users, "user_id") == USERS
    assert str(ratings.schema()["rating"]) == "float32"
    assert str(movies.schema()["genres"]) == "array<string>"
    assert str(movies.schema()["year"]) == "int32"


@pytest.mark.parametrize("release", ["ml-10m", "ml-25m"])
def test_the_users_of_a_release_without_users_are_an_empty_table(
    path, open_table, release
):
    write_archive(path, release)
    users = open_table("users", release).load()
    assert users.columns == ("user_id", "gender", "age", "occupation", "zip")
    assert rows(users, "user_id") == []


@pytest.mark.parametrize("release", FILES)
def test_tables_of_every_release_can_be_joined(path, open_table, release):
    write_archive(path, release)
    ratings, movies = (open_table(t, release).load() for t in ("ratings", "movies"))
    joined = ratings.join(movies, "movie_id")[["event_id", "title"]]
    titles = [row["title"] for row in rows(joined, "event_id")]
    assert titles == [MOVIES[i]["title"] for i in (1, 0, 0, 2)]


def test_the_temporary_file_is_removed_with_the_last_expression(path, open_table):
    write_archive(path, "ml-1m")
    table = open_table("ratings").load()  # no reference to the dataset is kept
    high = table.filter(table.rating >= 4)
    del table
    gc.collect()
    assert high.count().execute() == 2
    assert len(list(Path(gettempdir()).iterdir())) == 1
    del high
    gc.collect()
    assert list(Path(gettempdir()).iterdir()) == []


@pytest.mark.parametrize("table", ["ratings", "movies", "users"])
def test_a_corrupt_archive_is_a_dataset_error_and_leaves_no_file(
    path, open_table, table
):
    whole = write_archive(path, "ml-1m").read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(
        DatasetError, match=r"^\S*ml-1m\.zip is not a complete zip archive"
    ):
        open_table(table).load()
    assert list(Path(gettempdir()).iterdir()) == []


def test_a_malformed_line_is_named_in_the_dataset_error(path, open_table):
    write_archive(path, "ml-1m", {"ratings.dat": "5::20::4::978300760\n5::20\n"})
    with pytest.raises(
        DatasetError, match=r"^line 2 of ml-1m/ratings\.dat in \S+ is no"
    ):
        open_table("ratings").load()


def test_the_fingerprint_is_the_archives_md5(path, open_table):
    write_archive(path, "ml-1m")
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    assert open_table("ratings").fingerprint() == md5
    path.write_bytes(b"another")
    assert open_table("ratings").fingerprint() != md5


def test_the_log_says_whether_the_archive_is_the_published_one(
    path, open_table, caplog, monkeypatch
):
    write_archive(path, "ml-1m")
    md5 = open_table("users").fingerprint()
    caplog.set_level(logging.INFO)
    open_table("users").load()
    own = {"ml-1m": replace(RELEASES["ml-1m"], md5=md5)}
    monkeypatch.setattr(movielens_table, "RELEASES", own)
    open_table("users").load()
    lines = [f"read 2 users of {path}, MD5 {md5}"] * 2
    assert caplog.messages == [
        f"{lines[0]}, which differs from GroupLens' c4d9eecfca2ab87c1945afe126590906",
        f"{lines[1]} as published by GroupLens",
    ]


def test_an_existing_archive_is_never_downloaded(path, open_table, monkeypatch):
    monkeypatch.setattr(download, "download_release", None)
    write_archive(path, "ml-1m")
    assert open_table("ratings").load().count().execute() == 4


def test_an_absent_archive_is_downloaded(path, open_table, monkeypatch):
    def write(release, target):
        write_archive(target, release.name)

    monkeypatch.setattr(download, "download_release", write)
    assert not open_table("ratings").exists()
    assert rows(open_table("ratings").load(), "event_id") == RATINGS
    assert open_table("ratings").exists()


def test_an_absent_archive_without_network_is_refused_with_a_remedy(
    path, open_table, monkeypatch
):
    url = "http://127.0.0.1:9/ml-1m.zip"  # the unused port "discard"
    unreachable = {"ml-1m": replace(RELEASES["ml-1m"], url=url)}
    monkeypatch.setattr(movielens_table, "RELEASES", unreachable)
    monkeypatch.setattr(download, "PAUSES", ())
    with pytest.raises(DatasetError) as error:
        open_table("ratings").load()
    assert str(error.value) == (
        f"{path} is missing and could not be downloaded: no connection to 127.0.0.1:9 "
        f"(1 attempts); get {url} another way and save it as this file"
    )
    assert not path.exists()


def test_the_simulated_archive_is_never_downloaded(open_table, monkeypatch):
    monkeypatch.setattr(download, "download_release", None)
    with pytest.raises(DatasetError, match="kedro run --pipelines simulation"):
        open_table("ratings", "simulated").load()


def test_a_preview_holds_the_first_rows(path, open_table):
    assert open_table("movies").preview()["data"] == []
    write_archive(path, "ml-1m")
    assert open_table("movies").preview(nrows=1) == {
        "index": [0],
        "columns": ["movie_id", "title", "genres", "year"],
        "data": [[10, "Toy Story (1995)", "Animation, Children's, Comedy", 1995]],
    }
    assert [row[0] for row in open_table("ratings").preview(nrows=3)["data"]] == [
        0,
        1,
        2,
    ]


def test_an_unknown_release_or_table_is_refused_with_those_allowed(path):
    with pytest.raises(DatasetError, match="'ml-2m'; allowed are ml-100k, ml-1m"):
        MovieLensTableDataset(filepath=str(path), release="ml-2m", table="ratings")
    with pytest.raises(
        DatasetError, match="'tags'; allowed are ratings, movies, users"
    ):
        MovieLensTableDataset(filepath=str(path), release="ml-1m", table="tags")


def test_archives_are_read_only(path, open_table):
    write_archive(path, "ml-1m")
    before = path.read_bytes()
    with pytest.raises(DatasetError, match="read-only"):
        open_table("users").save(open_table("users").load())
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
def test_the_real_archives_have_the_published_sizes(  # covers: N1 N2 N4
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


def test_a_folder_in_place_of_the_archive_is_refused(path, open_table):
    path.mkdir(parents=True)
    for read in (open_table("ratings").load, open_table("ratings").fingerprint):
        with pytest.raises(DatasetError, match=r"\.zip is a folder, .*; remove it"):
            read()
