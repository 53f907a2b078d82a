import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from tests.towers.build import (
    N_ITEMS,
    history_towers,
    make_encoder,
    make_profile_towers,
    new_item_tower,
    pad,
    scatter_weights,
)
from two_tower.datasets.keras_model import KerasModelDataset
from two_tower.towers.features import Feature

# Two of a kind with tables of different size, in no alphabetical order.
FEATURES = {
    "year": Feature("dense", size=1, width=1),
    "words": Feature("words", size=6, width=3),
    "genres": Feature("multi_valued", size=4, width=2),
    "country": Feature("categorical", size=5, width=1),
}
SAVED = {"two_tower.keras", ".two_tower.keras.sha256"}
HISTORIES = [[3, 5, 2, 8], [4], [], [7, 7, 3, 2, 6, 5, 8, 4]]

# What a fresh process, which knows none of the towers' classes, makes of the files.
LOAD = """
import sys
import numpy as np
from two_tower.datasets.keras_model import KerasModelDataset

batch = dict(np.load(sys.argv[1]))
for path in sys.argv[2:]:
    towers = KerasModelDataset(filepath=path).load()
    items = np.arange(towers.item_tower.n_entities)
    found = {"queries": towers(batch), "items": towers.item_vectors(items)}
    np.savez(path + ".npz", **{name: np.asarray(v) for name, v in found.items()})
"""


def make_towers(kind, dtype="float32"):
    """Return towers with every kind of feature, all weights scattered."""
    item_tower = new_item_tower(FEATURES, id_dropout=0.2, dtype=dtype)
    towers = history_towers(item_tower, make_encoder(kind, dropout=0.2, dtype=dtype))
    towers.build()
    scatter_weights(towers)
    rng = np.random.default_rng(3)
    item_tower.set_features(
        {
            name: rng.integers(0, about.size, (N_ITEMS, about.width))
            if about.kind != "dense"
            else rng.normal(size=(N_ITEMS, 1))
            for name, about in FEATURES.items()
        }
    )
    return towers


def dataset_in(folder, name="two_tower.keras"):
    return KerasModelDataset(filepath=str(folder / name))


class Unsavable:
    """A model whose save breaks off half-way."""

    def save(self, path):
        Path(path).write_bytes(b"half a model")
        raise OSError("no space left on device")


def test_a_fresh_process_loads_towers_that_answer_the_same(tmp_path):
    made = {
        tmp_path / "mean.keras": make_towers("mean"),
        tmp_path / "transformer.keras": make_towers("transformer"),
        tmp_path / "half.keras": make_towers("transformer", "mixed_bfloat16"),
        tmp_path / "fused.keras": make_profile_towers("mean", batch_norm=True),
        tmp_path / "profile.keras": make_profile_towers(None, normalise=False),
    }
    batch = pad(HISTORIES) | {"users": np.array([3, 1, 2, 6], np.int32)}
    for path, towers in made.items():
        KerasModelDataset(filepath=str(path)).save(towers)
    np.savez(tmp_path / "batch.npz", **batch)
    arguments = [str(path) for path in (tmp_path / "batch.npz", *made)]
    subprocess.run([sys.executable, "-c", LOAD, *arguments], check=True)  # noqa: S603
    for path, towers in made.items():
        found = np.load(f"{path}.npz")
        np.testing.assert_array_equal(found["queries"], towers(batch))
        items = towers.item_vectors(np.arange(N_ITEMS))
        np.testing.assert_array_equal(found["items"], items)


def test_a_second_save_replaces_the_first(tmp_path):
    dataset, second = dataset_in(tmp_path), make_towers("mean")
    dataset.save(make_towers("transformer"))
    dataset.save(second)
    for found, expected in zip(
        dataset.load().get_weights(), second.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert {path.name for path in tmp_path.iterdir()} == SAVED


def test_a_save_that_fails_leaves_the_model_before_it(tmp_path):
    dataset = dataset_in(tmp_path)
    dataset.save(make_towers("mean"))
    before = (tmp_path / "two_tower.keras").read_bytes()
    with pytest.raises(DatasetError, match="no space left"):
        dataset.save(Unsavable())
    assert (tmp_path / "two_tower.keras").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == SAVED


def test_a_first_save_that_fails_leaves_nothing(tmp_path):
    dataset = dataset_in(tmp_path)
    with pytest.raises(DatasetError, match="no space left"):
        dataset.save(Unsavable())
    assert not dataset.exists()
    assert list(tmp_path.iterdir()) == []


def test_it_exists_once_it_is_saved_in_a_folder_that_is_made(tmp_path):
    dataset = dataset_in(tmp_path / "06_models" / "ml-100k")
    assert not dataset.exists()
    dataset.save(make_towers("mean"))
    assert dataset.exists()


def test_loading_what_was_never_saved_names_the_file(tmp_path):
    with pytest.raises(DatasetError, match=r"two_tower\.keras"):
        dataset_in(tmp_path).load()


def test_another_format_is_refused_at_once():
    with pytest.raises(DatasetError, match=r"model\.h5.*must end in \.keras"):
        KerasModelDataset(filepath="model.h5")


@pytest.mark.parametrize("n_bytes", [0, 1, 1000, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path, n_bytes):
    dataset = dataset_in(tmp_path)
    dataset.save(make_towers("mean"))
    path = tmp_path / "two_tower.keras"
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(
        DatasetError, match=r"two_tower\.keras is damaged.*--to-outputs two_tower"
    ):
        dataset.load()
    (tmp_path / ".two_tower.keras.sha256").unlink()
    with pytest.raises(DatasetError, match=r"two_tower\.keras can't be read"):
        dataset.load()


def test_a_missing_model_is_named_with_a_command(tmp_path):
    with pytest.raises(DatasetError, match=r"two_tower\.keras is missing; run"):
        dataset_in(tmp_path).load()


# covers: X34
def test_keras_leaves_nothing_in_the_temporary_folder(tmp_path, monkeypatch):
    used = tmp_path / "tmp"
    used.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(used))
    made = []
    make = tempfile.mkdtemp

    def record(*args, **options):
        made.append(Path(make(*args, **options)))
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", record)
    dataset_in(tmp_path).save(make_towers("mean"))
    assert made
    assert all(used not in path.parents for path in made)
