import numpy as np
import pytest
from kedro.io import DatasetError

from two_tower.datasets.stores import TrainingCheckpointsDataset
from two_tower.training.checkpoints import Checkpoint


@pytest.fixture
def dataset(tmp_path):
    return TrainingCheckpointsDataset(filepath=str(tmp_path / "06_models/checkpoints"))


# covers: X17
def test_a_store_finds_what_an_earlier_run_left(dataset):
    assert not dataset.exists()
    arrays = {"variables": [np.arange(3.0)]}
    dataset.load().save(Checkpoint("ours", {"history": []}, arrays))
    assert dataset.exists()
    found = dataset.load().load("ours")
    np.testing.assert_array_equal(found.arrays["variables"][0], [0.0, 1.0, 2.0])


def test_a_store_is_there_before_any_checkpoint(dataset):
    assert dataset.load().load("ours") is None


def test_a_node_does_not_write_checkpoints(dataset):
    with pytest.raises(DatasetError, match="written while training"):
        dataset.save(dataset.load())


def test_it_says_where_it_lies(dataset, tmp_path):
    assert str(tmp_path / "06_models/checkpoints") in str(dataset)


def test_it_has_no_lineage_of_its_own(tmp_path):
    metadata = {"lineage": False}
    dataset = TrainingCheckpointsDataset(filepath=str(tmp_path), metadata=metadata)
    assert dataset.metadata == metadata
