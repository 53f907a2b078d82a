import json

import pytest
from kedro.io import DatasetError

from two_tower.datasets.atomic_files import AtomicJSONDataset


@pytest.fixture
def dataset(tmp_path):
    return AtomicJSONDataset(filepath=str(tmp_path / "deep" / "metrics.json"))


def test_what_is_saved_is_loaded(dataset):
    assert not dataset.exists()
    dataset.save({"hr@10": 0.5, "title": "Amélie"})
    assert dataset.exists()
    assert dataset.load() == {"hr@10": 0.5, "title": "Amélie"}
    assert json.loads(dataset.preview()) == dataset.load()


def test_a_second_save_takes_the_place_of_the_first(dataset):
    dataset.save({"a": 1})
    dataset.save([1, 2])
    assert dataset.load() == [1, 2]


@pytest.mark.parametrize("unfit", [{"a": object()}, {"a": float("nan")}])
def test_a_save_that_fails_leaves_the_old_file(dataset, tmp_path, unfit):
    dataset.save({"a": 1})
    with pytest.raises(DatasetError, match="JSON"):
        dataset.save(unfit)
    assert dataset.load() == {"a": 1}
    assert len(list((tmp_path / "deep").iterdir())) == 1
