import pytest
from kedro.io import DatasetError

from two_tower.datasets.atomic_files import AtomicTextDataset


@pytest.fixture
def dataset(tmp_path):
    return AtomicTextDataset(filepath=str(tmp_path / "deep" / "report.md"))


def test_what_is_saved_is_loaded(dataset):
    assert not dataset.exists()
    dataset.save("# Amélie\n")
    assert dataset.exists()
    assert dataset.load() == "# Amélie\n"


def test_a_save_that_fails_leaves_the_old_file(dataset, tmp_path):
    dataset.save("old")
    with pytest.raises(DatasetError):
        dataset.save(3)
    assert dataset.load() == "old"
    assert len(list((tmp_path / "deep").iterdir())) == 1
