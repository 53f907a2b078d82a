import os
from pathlib import Path

import numpy as np
import pytest

from tests.training.fit_tiny import Interrupted
from two_tower.hashes import hash_file
from two_tower.training.checkpoints import Checkpoint, CheckpointStore

OURS, OTHERS = "print of these data", "print of others"


def checkpoint(epoch=1, fingerprint=OURS):
    rng = np.random.default_rng(epoch)
    arrays = {
        # More than ten: their order is not that of their names.
        "variables": [rng.normal(size=(i, 2)).astype(np.float32) for i in range(12)],
        "optimizer": [np.array(epoch), np.uint32([1, 2**32 - 1])],
    }
    return Checkpoint(fingerprint, {"history": [{"epoch": epoch}]}, arrays)


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints")


def test_an_empty_store_has_no_checkpoint(store):
    assert store.load(OURS) is None
    assert not store.path.parent.exists()  # loading creates nothing


def test_a_checkpoint_is_loaded_as_it_was_saved(store):
    store.save(checkpoint())
    loaded, saved = store.load(OURS), checkpoint()
    assert loaded.about == saved.about
    assert loaded.arrays.keys() == saved.arrays.keys()
    for name, arrays in saved.arrays.items():
        for found, expected in zip(loaded.arrays[name], arrays, strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_infinite_values_are_loaded_as_they_were_saved(store):
    about = {"stopping": {"best": float("-inf")}}
    store.save(Checkpoint(OURS, about, {}))
    assert store.load(OURS).about == about


def test_a_save_replaces_the_last_checkpoint(store):
    store.save(checkpoint(1))
    store.save(checkpoint(2))
    assert store.load(OURS).about["history"] == [{"epoch": 2}]
    names = {path.name for path in store.path.parent.iterdir()}
    assert names == {"checkpoint.npz", ".checkpoint.npz.sha256"}


# covers: X17
@pytest.mark.parametrize(
    ("owner", "moment"),
    [
        pytest.param(np, "savez", id="before a byte is written"),
        pytest.param(os, "fsync", id="while it is written"),
        pytest.param(Path, "replace", id="between write and rename"),
    ],
)
def test_a_kill_while_saving_leaves_the_last_checkpoint(
    store, monkeypatch, owner, moment
):
    store.save(checkpoint(1))

    def kill(*args, **options):
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(owner, moment, kill)
        with pytest.raises(Interrupted):
            store.save(checkpoint(2))
    assert store.load(OURS).about["history"] == [{"epoch": 1}]
    store.save(checkpoint(3))
    assert store.load(OURS).about["history"] == [{"epoch": 3}]


def test_a_checkpoint_of_other_data_is_not_loaded(store, caplog):
    store.save(checkpoint(fingerprint=OTHERS))
    with caplog.at_level("INFO"):
        assert store.load(OURS) is None
    assert "other data or parameters; training starts from" in caplog.text
    assert store.load(OTHERS) is not None  # it stays until the next save


def test_a_finished_training_leaves_nothing(store):
    store.save(checkpoint())
    store.clear()
    assert store.load(OURS) is None
    assert not list(store.path.parent.iterdir())
    store.clear()  # again is no error


# covers: X34
@pytest.mark.parametrize("has_hash", [True, False])
def test_a_damaged_checkpoint_is_named_with_a_command(store, has_hash):
    store.save(checkpoint())
    store.path.write_bytes(store.path.read_bytes()[:-50])
    if not has_hash:
        hash_file(store.path).unlink()
    with pytest.raises(ValueError, match="training can't resume from") as error:
        store.load(OURS)
    assert str(store.path) in str(error.value)
    assert str(error.value).endswith(f"run: rm -r {store.path.parent}")
