import pytest

from two_tower.movielens.movies import read_movies
from two_tower.movielens.ratings import read_ratings
from two_tower.movielens.releases import RELEASES
from two_tower.movielens.users import read_users

from .archives import FILES, MOVIES, RATINGS, USERS, write_archive

WITH_USERS = {"ml-100k", "ml-1m", "simulated"}

MD5 = {
    "ml-100k": "0e33842e24a9c977be4e0107933c0723",
    "ml-1m": "c4d9eecfca2ab87c1945afe126590906",
    "ml-10m": "ce571fd55effeba0271552578f2648bd",
    "ml-20m": "cd245b17a1ae2cc31bb14903e1204af3",
    "ml-25m": "6b51fb2759a8657d3bfcbfc42b592ada",
    "ml-32m": "d472be332d4daa821edc399621853b57",
    "ml-latest-small": None,
    "ml-latest": None,
}


@pytest.mark.parametrize("name", FILES)
def test_every_release_is_read_in_its_own_format(tmp_path, name):
    path, release = write_archive(tmp_path / "a.zip", name), RELEASES[name]
    ratings = [
        row for batch in read_ratings(path, release) for row in batch.to_pylist()
    ]
    assert ratings == RATINGS
    assert read_movies(path, release).to_pylist() == MOVIES
    expected_users = USERS if name in WITH_USERS else []
    assert read_users(path, release).to_pylist() == expected_users


@pytest.mark.parametrize("name", MD5)
def test_published_releases_have_grouplens_url_and_md5(name):
    release = RELEASES[name]
    url = f"https://files.grouplens.org/datasets/movielens/{name}.zip"
    assert (release.url, release.md5_url) == (url, f"{url}.md5")
    assert release.md5 == MD5[name]


def test_the_simulated_archive_is_not_published():
    simulated = RELEASES["simulated"]
    assert (simulated.url, simulated.md5_url, simulated.md5) == (None, None, None)


def test_there_are_no_other_releases():
    assert set(RELEASES) == set(FILES) == {*MD5, "simulated"}
