import numpy as np
import pytest
from kedro.io import DatasetError

from two_tower.datasets.stores import (
    LineageStoreDataset,
    TrainingCheckpointsDataset,
)
from two_tower.training.checkpoints import Checkpoint


@pytest.fixture
def checkpoints(tmp_path):
    return TrainingCheckpointsDataset(filepath=str(tmp_path / "06_models/checkpoints"))


# covers: X17
def test_a_store_loads_the_checkpoint_of_an_earlier_run(checkpoints):
    assert not checkpoints.exists()
    arrays = {"variables": [np.arange(3.0)]}
    checkpoints.load().save(Checkpoint("ours", {"history": []}, arrays))
    assert checkpoints.exists()
    found = checkpoints.load().load("ours")
    np.testing.assert_array_equal(found.arrays["variables"][0], [0.0, 1.0, 2.0])


def test_a_store_without_a_checkpoint_is_empty(checkpoints):
    assert checkpoints.load().load("ours") is None


def test_saving_checkpoints_through_the_catalog_is_refused(checkpoints):
    with pytest.raises(DatasetError, match="written during training"):
        checkpoints.save(checkpoints.load())


def test_the_description_holds_the_path(checkpoints, tmp_path):
    assert str(tmp_path / "06_models/checkpoints") in str(checkpoints)


@pytest.mark.parametrize("store", [TrainingCheckpointsDataset, LineageStoreDataset])
def test_stores_keep_the_metadata_that_exempt_them_from_lineage(tmp_path, store):
    metadata = {"lineage": False}
    assert store(filepath=str(tmp_path), metadata=metadata).metadata == metadata


def test_a_lineage_store_reads_and_writes_its_folder(tmp_path):
    dataset = LineageStoreDataset(filepath=str(tmp_path / "lineage"))
    assert not dataset.exists()
    dataset.load().mark_unfinished("model", "kedro run")
    assert dataset.exists()
    assert dataset.load().find_recovery_command("model") == "kedro run"


def test_saving_lineage_through_the_catalog_is_refused(tmp_path):
    dataset = LineageStoreDataset(filepath=str(tmp_path))
    with pytest.raises(DatasetError, match="written by the project's hooks"):
        dataset.save(dataset.load())
