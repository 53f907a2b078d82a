"""The training node on forty items of a circle, each leading to the next."""

import logging

import keras
import numpy as np
import pytest

from tests.training.fit_tiny import Interrupted, InterruptedStore, walks
from tests.training.tiny import N_ITEMS, lineage_in, parameters, train
from two_tower.datasets.keras_model import KerasModelDataset
from two_tower.params import Seen
from two_tower.pipelines.training.nodes import TRAINING_INPUTS, fingerprint_training
from two_tower.training.checkpoints import CheckpointStore

HELD_OUT = walks(40, N_ITEMS, seed=9)


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train(
        folder,
        parameters({"epochs": 8}, preset="transformer"),
        held_out=HELD_OUT,
        store=CheckpointStore(folder / "checkpoints"),
    )


# covers: Q7 X1
def test_an_obvious_pattern_is_learned(trained):
    _, history = trained
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert max(record["val_hr@10"] for record in history) > 0.95


def test_the_history_says_what_the_run_was_like(trained):
    _, history = trained
    assert [record["epoch"] for record in history] == list(range(1, 9))
    measured = {f"val_{name}@{k}" for name in ("hr", "recall", "ndcg") for k in (1, 10)}
    timings = {"seconds", "examples_per_second", "validation_seconds", "kept"}
    names = {"epoch", "loss", "learning_rate", "temperature", "request_time", "val_mrr"}
    names |= measured | timings
    assert all(record.keys() == names for record in history)


def test_items_know_their_features(trained):
    towers, _ = trained
    assert set(towers.item_tower.features) == {"genres", "year", "length"}
    year = towers.item_tower.features["year"]
    stored = np.asarray(year.values).ravel()
    np.testing.assert_array_equal(stored[2:], np.arange(2, N_ITEMS) % 5)


def vectors_of(towers, **read):
    histories = {"items": np.int32([[2, 3, 4, 0]]), "lengths": np.int32([3])} | read
    items = towers.item_vectors(np.arange(2, N_ITEMS, dtype=np.int32))
    return np.concatenate([np.asarray(towers(histories)), np.asarray(items)])


# covers: X12
def test_the_seed_decides_every_vector(tmp_path):
    def trained_with(seed, name):
        asked = {"epochs": 1, "item_tower": {"id_dropout": 0.2}, "seed": seed}
        store = CheckpointStore(tmp_path / name)
        return vectors_of(train(tmp_path, parameters(asked), store=store)[0])

    found = [trained_with(seed, name) for seed, name in ((1, "a"), (1, "b"), (2, "c"))]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2], atol=0.1)


def test_training_works_without_held_out_users(tmp_path, store):
    _, history = train(tmp_path, parameters(), store=store)
    assert len(history) == 2
    assert not any(name.startswith("val_") for name in history[-1])


@pytest.mark.backend
def test_in_batch_softmax_learns(tmp_path, store):
    change = {
        "negatives": {"kind": "in_batch"},
        "log_q": {"kind": "exact"},
        "epochs": 3,
    }
    _, history = train(tmp_path, parameters(change), store=store)
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]


def test_a_killed_run_is_resumed(tmp_path, store, caplog):
    killed = InterruptedStore(store.path.parent, epoch=1)
    with pytest.raises(Interrupted):
        train(tmp_path, parameters(), store=killed)
    with caplog.at_level(logging.INFO):
        _, history = train(tmp_path, parameters(), store=store)
    assert "resuming after epoch 1 of 2" in caplog.text
    assert len(history) == 2


@pytest.mark.parametrize("preset", ["mean", "transformer"])
def test_mixed_precision_trains_and_leaves_other_layers_alone(
    preset, tmp_path, store, trained
):
    change = {"precision": "mixed_bfloat16", "epochs": 3}
    towers, history = train(tmp_path, parameters(change, preset=preset), store=store)
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    found = vectors_of(towers)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    layers = list(towers._flatten_layers())  # noqa: SLF001
    assert {layer.compute_dtype for layer in layers} == {"bfloat16"}
    assert {weight.dtype for weight in towers.trainable_weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_a_model_of_mixed_precision_is_loaded_as_it_was(tmp_path, store):
    change = {"precision": "mixed_bfloat16", "epochs": 1}
    towers, _ = train(tmp_path, parameters(change, preset="transformer"), store=store)
    dataset = KerasModelDataset(filepath=str(tmp_path / "towers.keras"))
    dataset.save(towers)
    np.testing.assert_array_equal(vectors_of(dataset.load()), vectors_of(towers))


@pytest.mark.backend
def test_times_are_read_in_training_validation_and_saved_models(tmp_path, store):
    times = dict.fromkeys(["relative_time", "time_gap", "request_time"], True)
    timed = {"transformer": {"n_blocks": 1, **times}}
    change = {"history": {**timed}, "epochs": 3}
    asked = parameters(change, preset="transformer-large")
    towers, history = train(tmp_path, asked, held_out=HELD_OUT, store=store)
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    assert history[-1]["val_hr@10"] > 0.5
    dataset = KerasModelDataset(filepath=str(tmp_path / "towers.keras"))
    dataset.save(towers)
    loaded = dataset.load()
    ages = {"ages": np.int32([[90, 60, 1, 0]])}
    np.testing.assert_array_equal(
        vectors_of(loaded, **ages), vectors_of(towers, **ages)
    )
    later = {"ages": np.int32([[90_000, 60, 1, 0]])}
    assert not np.array_equal(vectors_of(towers, **later), vectors_of(towers, **ages))


def test_a_gpu_that_is_not_there_is_one_clear_error(tmp_path, store, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    with pytest.raises(ValueError, match=r"training.device is 'gpu' but .* no GPU"):
        train(tmp_path, parameters({"device": "gpu"}), store=store)


def test_nothing_to_train_on_is_one_clear_error(tmp_path, store):
    with pytest.raises(ValueError, match="train_sequences has no rows"):
        train(tmp_path, parameters(), histories=[], store=store)


# covers: X17
def test_a_checkpoint_is_of_all_that_training_learns_from(tmp_path):
    ours = lineage_in(tmp_path / "ours")
    left_out, ranked = Seen("left_out"), Seen("ranked")
    prints = {fingerprint_training(ours, parameters(), left_out)}
    prints.add(fingerprint_training(ours, parameters({"seed": 2}), left_out))
    prints.add(fingerprint_training(ours, parameters(), ranked))
    for name in TRAINING_INPUTS:
        other = lineage_in(tmp_path / name, **{name: "another"})
        prints.add(fingerprint_training(other, parameters(), left_out))
    assert len(prints) == 3 + 9
    again = lineage_in(tmp_path / "again")
    assert fingerprint_training(again, parameters(), left_out) in prints
