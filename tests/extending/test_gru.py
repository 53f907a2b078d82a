"""A new history encoder: one file, one line of the registry, one line of YAML."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.extending.gru import GruParams
from tests.training.fit_tiny import walks
from tests.training.tiny import N_ITEMS, parameters, train
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_histories
from two_tower.towers.registry import History
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.params import Training

HISTORIES = walks(30, N_ITEMS, seed=5)
USERS = np.ones(len(HISTORIES), np.int32)


class HistoryWithGru(History):
    gru: GruParams


class TrainingWithGru(Training):
    history: HistoryWithGru


def training_with_gru():
    options = parameters({"epochs": 2}).model_dump()
    options["history"] |= {"kind": "gru", "gru": {"units": 8, "dropout": 0.1}}
    return TrainingWithGru.model_validate(options)


def encode(towers):
    histories = Ragged.from_lists([walk[:8] for walk in HISTORIES], np.int32)
    return encode_histories(
        towers, histories, USERS, boundaries=[4, 8], tokens_per_batch=64
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gru")
    store = CheckpointStore(folder / "checkpoints")
    return train(folder, training_with_gru(), store=store, histories=HISTORIES)


@pytest.mark.backend
def test_a_new_encoder_is_trained(trained):
    towers, (first, last) = trained
    assert last["loss"] < first["loss"]
    layers = [type(layer).__name__ for layer in towers.history_encoder.stack.layers]
    assert layers == ["GRU", "Dropout", "Dense"]


@pytest.mark.backend
def test_a_model_with_a_new_encoder_is_saved_and_loaded(trained, tmp_path):
    towers, _ = trained
    towers.save(tmp_path / "towers.keras")
    loaded = keras.saving.load_model(tmp_path / "towers.keras", compile=False)
    np.testing.assert_array_equal(encode(loaded), encode(towers))


def test_parameters_of_a_new_encoder_import_no_keras():
    code = "import sys, tests.extending.gru; print('keras' in sys.modules)"
    run = subprocess.run(  # noqa: S603 (fixed code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
