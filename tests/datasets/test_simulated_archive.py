import tracemalloc
import zipfile
from functools import partial

import pytest
from kedro.io import DatasetError

from two_tower.datasets.simulated_archive import SimulatedArchiveDataset
from two_tower.simulation.archive_writer import Member


def _member(name, *chunks):
    return Member(name, partial(iter, chunks))


def _contents(members):
    return {one.name: b"".join(one.chunks()) for one in members}


TWO = [
    _member("ml/README", b"simulated\n"),
    _member("ml/ratings", b"1::2::3\n", b"4::5::6\n"),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "simulated.zip"


@pytest.fixture
def dataset(path):
    return SimulatedArchiveDataset(filepath=str(path))


def test_members_are_saved_in_order_and_loaded(dataset, path):
    assert not dataset.exists()
    dataset.save(TWO)
    assert dataset.exists()
    assert _contents(dataset.load()) == {
        "ml/README": b"simulated\n",
        "ml/ratings": b"1::2::3\n4::5::6\n",
    }
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["ml/README", "ml/ratings"]


def test_equal_members_give_equal_bytes_in_any_chunks(dataset, path):
    dataset.save(TWO)
    first = path.read_bytes()
    dataset.save([TWO[0], _member("ml/ratings", b"1::2::3\n4::", b"5::6\n")])
    assert path.read_bytes() == first


def test_the_archive_holds_no_time_and_no_owner(dataset, path):
    dataset.save(TWO)
    with zipfile.ZipFile(path) as archive:
        dates = {member.date_time for member in archive.infolist()}
        extras = {member.extra for member in archive.infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}
    assert extras == {b""}


def test_a_second_save_replaces_the_first(dataset):
    dataset.save(TWO)
    dataset.save([_member("other", b"x")])
    assert _contents(dataset.load()) == {"other": b"x"}


def test_a_failed_save_leaves_the_old_archive(dataset, path):
    def broken():
        yield b"half a line"
        raise ValueError("no more")

    dataset.save(TWO)
    with pytest.raises(DatasetError, match="no more"):
        dataset.save([Member("ml/ratings", broken)])
    assert _contents(dataset.load()) == _contents(TWO)
    assert [one.name for one in path.parent.iterdir()] == ["simulated.zip"]


def test_members_are_streamed(dataset):
    megabyte = bytes(2**20)
    tracemalloc.start()
    dataset.save([Member("zeros", lambda: (megabyte for _ in range(64)))])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_an_absent_archive_is_refused_with_the_command_that_makes_it(dataset):
    with pytest.raises(DatasetError, match="kedro run --pipelines simulation"):
        dataset.load()


@pytest.mark.parametrize("name", ["ml-100k", "ml-20m", "ml-latest"])
def test_nothing_is_saved_under_the_name_of_a_published_release(tmp_path, name):
    path = tmp_path / f"{name}.zip"
    path.write_text("a download")
    with pytest.raises(DatasetError, match=f"has the name of the published {name}"):
        SimulatedArchiveDataset(filepath=str(path), release=name).save(TWO)
    assert path.read_text() == "a download"


@pytest.mark.parametrize("release", ["simulated", "own-data"])
def test_an_archive_in_another_format_than_expected_is_refused(path, release):
    dataset = SimulatedArchiveDataset(filepath=str(path), release=release)
    with pytest.raises(DatasetError, match=f"read in the format '{release}', but .*20"):
        dataset.save([_member("ml-20m/ratings.csv", b"1,2,3.0,4")])
    assert not path.exists()


def test_an_archive_in_the_expected_format_is_saved(path):
    # `simulated` has the format of ml-1m.
    dataset = SimulatedArchiveDataset(filepath=str(path), release="simulated")
    dataset.save([_member("ml-1m/ratings.dat", b"1::2::3::4")])
    assert path.exists()


def test_a_damaged_archive_is_named_with_a_command(dataset, path):
    dataset.save(TWO)
    content = path.read_bytes()
    again = "run, with its --env: kedro run --pipelines simulation$"
    path.write_bytes(content[:-1])
    with pytest.raises(DatasetError, match=rf"simulated\.zip is damaged: .*{again}"):
        dataset.load()
    at = content.index(b"ml/ratings") + 30  # within the packed ratings
    path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
    with pytest.raises(DatasetError, match=rf"simulated\.zip is damaged: .*{again}"):
        _contents(dataset.load())
