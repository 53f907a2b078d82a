"""Whole trainings: reproducible, resumable, stopped in time, and quiet."""

import logging
import math
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.fit_tiny import (
    CHUNK,
    Interrupted,
    InterruptedStore,
    ScriptedValidation,
    build_towers,
    cosine_rate,
    objective_of,
    optimizer_of,
    state_of,
    validation_of,
    walks,
    window_batches,
)
from two_tower.negatives.log_q import StreamingFrequencies
from two_tower.negatives.queue import Queue
from two_tower.training.alarms import TrainingError
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.checkpoints import Checkpoint, CheckpointStore
from two_tower.training.fit import fit
from two_tower.training.objectives.softmax import SharedSoftmax
from two_tower.training.task import Temperature

PROJECT = Path(__file__).parents[2]
EPOCHS = 4
N_STEPS = EPOCHS * len(window_batches(walks()))


def everything(seed=1):
    """Return a training with every kind of state.

    Dropout, id dropout, a schedule, a learned temperature, a queue and estimated
    frequencies.
    """
    rate = cosine_rate(0.02, warmup_steps=3, total_steps=N_STEPS)
    optimizer = optimizer_of("adamw", rate, clip_norm=1.0, weight_decay=0.01)
    frequencies = StreamingFrequencies(64, 2, 0.1, seed=seed)
    sampler = BatchSampler(source=Queue(40, frequencies))
    return state_of(
        build_towers(seed=seed, dropout=0.2, id_dropout=0.2),
        window_batches(walks(), seed=seed, sampler=sampler),
        objective=SharedSoftmax(mask_hits=True, chunk=CHUNK),
        temperature=Temperature(0.2, learned=True),
        optimizer=optimizer,
        monitor="val_mrr",
    )


def train(store, *, seed=1, state=None):
    """Train to the end, from a checkpoint if the store has one."""
    state = state or everything(seed)
    fit(state, validation_of(walks()), epochs=EPOCHS, validate_every=1, store=store)
    return state


def contents(state):
    """Return everything that training changed, timings left out."""
    timings = {"seconds", "validation_seconds", "examples_per_second"}
    history = [
        {name: value for name, value in record.items() if name not in timings}
        for record in state.history
    ]
    arrays = [
        *(np.asarray(variable) for variable in state.task.variables),
        *(np.asarray(variable) for variable in state.task.optimizer.variables),
        *state.stopping.weights,
    ]
    return history, state.stopping.state(), arrays


def assert_same(found, expected):
    """Compare to the bit."""
    assert found[:2] == expected[:2]
    for one, other in zip(found[2], expected[2], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A training in another process, killed while other tests run."""
    folder = tmp_path_factory.mktemp("killed")
    process = subprocess.Popen(  # noqa: S603 - this very Python, code of this file
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(folder)], cwd=PROJECT
    )
    yield process, CheckpointStore(folder)
    process.kill()
    process.wait()


KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
from tests.training.test_fit import train
from two_tower.training.checkpoints import CheckpointStore

class Third(CheckpointStore):
    saves = 0

    def save(self, checkpoint):
        Third.saves += 1
        if Third.saves == 3:
            # Written, and about to replace the last one.
            Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        super().save(checkpoint)

train(Third(Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return contents(train(CheckpointStore(tmp_path_factory.mktemp("uninterrupted"))))


def test_the_uninterrupted_training_learns_and_finds_its_best_epoch(
    killed, uninterrupted
):
    history, stopping, _ = uninterrupted
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert stopping["best"] == max(record["val_mrr"] for record in history)


# covers: X17
@pytest.mark.parametrize(
    ("epoch", "before", "done"),
    [
        pytest.param(4, True, 3, marks=pytest.mark.backend),
        pytest.param(4, False, 4),
    ],
)
def test_a_resumed_training_ends_like_the_uninterrupted_one(
    epoch, before, done, uninterrupted, tmp_path, caplog
):
    with pytest.raises(Interrupted):
        train(InterruptedStore(tmp_path, epoch=epoch, before=before))
    with caplog.at_level(logging.INFO):
        resumed = train(CheckpointStore(tmp_path))
    assert f"resuming after epoch {done} of 4" in caplog.text
    assert_same(contents(resumed), uninterrupted)


# covers: X17
def test_a_training_killed_while_saving_resumes(killed, uninterrupted):
    process, store = killed
    assert process.wait(timeout=300) == -signal.SIGKILL
    assert len(store.load("these data").about["history"]) == 2
    assert_same(contents(train(store)), uninterrupted)


# covers: X17
def test_a_checkpoint_holds_the_state_of_every_random_generator(store):
    towers = build_towers("transformer", dropout=0.2, id_dropout=0.2)
    state_of(towers, window_batches(walks())).save(store)
    arrays = store.load("these data").arrays["variables"]
    # Of the ids, of the input, and four in the one block.
    states = [array for array in arrays if array.shape == (2,)]
    assert len(states) == 1 + 1 + 4


# covers: X12
def test_one_seed_gives_one_result_to_the_bit(uninterrupted, tmp_path):
    assert_same(contents(train(CheckpointStore(tmp_path))), uninterrupted)


# covers: X12
def test_another_seed_gives_another_result(uninterrupted, tmp_path):
    history, _, _ = contents(train(CheckpointStore(tmp_path), seed=2))
    assert history[0]["loss"] != uninterrupted[0][0]["loss"]


def quick(state, store, validation=None, *, epochs=2, every=1):
    return fit(state, validation, epochs=epochs, validate_every=every, store=store)


def small(towers=None, *, histories=None, **options):
    """Return a short training of a mean tower."""
    batches = window_batches(histories or walks(12))
    return state_of(towers or build_towers(), batches, **options)


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path)


# covers: X17
def test_a_checkpoint_of_other_data_is_not_resumed(store):
    store.save(Checkpoint("other data", {"history": [{"epoch": 1}]}, {}))
    history = quick(small(), store)
    assert [record["epoch"] for record in history] == [1, 2]


# covers: L26
@pytest.mark.backend
def test_training_stops_without_improvement_and_keeps_the_best_weights(store):
    validation = ScriptedValidation([0.1, 0.4, 0.3, 0.2, 0.9])
    state = small(patience=2)
    history = quick(state, store, validation, epochs=5)
    assert [record["val_ndcg@10"] for record in history] == [0.1, 0.4, 0.3, 0.2]
    assert state.stopping.best_epoch == 1
    kept, last = state.task.towers.get_weights(), validation.seen[-1]
    for found, best in zip(kept, validation.seen[1], strict=True):
        np.testing.assert_array_equal(found, best)
    assert any((one != other).any() for one, other in zip(kept, last, strict=True))


def test_a_training_killed_after_its_early_stop_is_not_trained_further(tmp_path, store):
    values = [0.4, 0.3, 0.2]
    state = small(patience=2)
    with pytest.raises(Interrupted):
        quick(
            state,
            InterruptedStore(tmp_path, epoch=3),
            ScriptedValidation(values),
            epochs=9,
        )
    again = small(patience=2)
    history = quick(again, store, ScriptedValidation([]), epochs=9)
    assert [record["val_ndcg@10"] for record in history] == values
    np.testing.assert_array_equal(
        again.task.towers.get_weights()[0], state.stopping.weights[0]
    )


def test_the_last_epoch_is_always_validated(store):
    history = quick(
        small(),
        store,
        ScriptedValidation([0.1, 0.2]),
        epochs=3,
        every=2,
    )
    assert ["val_ndcg@10" in record for record in history] == [False, True, True]


# covers: N12
@pytest.mark.backend
def test_the_loss_of_an_epoch_is_the_mean_over_its_positives(store):
    # The rate is too small to change a weight, so the weights stay the initial ones.
    towers, histories = build_towers(), walks(13)
    wide = window_batches(histories, boundaries=[12], tokens_per_batch=12 * 13)
    objective = objective_of()
    (everything_at_once,) = wide
    total, _ = objective(towers, everything_at_once, temperature=0.2, training=False)
    sizes = {
        batch["weights"].sum()
        for batch in window_batches(histories, boundaries=[3, 12])
    }
    assert len(sizes) > 2
    batches = window_batches(histories, boundaries=[3, 12])
    state = state_of(towers, batches, optimizer=keras.optimizers.SGD(1e-20))
    record, _ = quick(state, store)
    n_positives = sum(len(history) for history in histories)
    assert record["loss"] == pytest.approx(float(total) / n_positives, rel=1e-5)


@keras.saving.register_keras_serializable("tests")
class BrokenAfter(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is NaN from step `n_steps` on."""

    def __init__(self, n_steps):
        self.n_steps = n_steps

    def __call__(self, step):
        return keras.ops.where(step < self.n_steps, 0.01, math.nan)


def broken_after(n_steps):
    return keras.optimizers.Adam(BrokenAfter(n_steps))


# covers: X10
def test_a_loss_of_nan_stops_training(store):
    n_steps = len(window_batches(walks(12)))
    state = small(optimizer=broken_after(n_steps + 1))
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 2, by step 3"):
        quick(state, store)
    checkpoint = store.load("these data")
    assert len(checkpoint.about["history"]) == 1
    arrays = [array for part in checkpoint.arrays.values() for array in part]
    assert all(np.isfinite(array).all() for array in arrays)


# covers: X10
def test_weights_broken_by_an_epochs_last_step_stop_training(store):
    n_steps = len(window_batches(walks(12)))
    state = small(optimizer=broken_after(n_steps - 1))
    with pytest.raises(
        TrainingError, match="weights are NaN or infinite after epoch 1"
    ):
        quick(state, store, epochs=1)
    assert store.load("these data") is None


# covers: X10
@pytest.mark.parametrize("validation", [None, ScriptedValidation([0.5])])
def test_a_collapse_of_the_item_vectors_stops_training(store, validation):
    towers = build_towers()
    towers.item_tower.table.assign(np.ones(towers.item_tower.table.shape))
    state = small(towers, optimizer=keras.optimizers.SGD(1e-20))
    with pytest.raises(TrainingError, match="collapsed"):
        quick(state, store, validation, epochs=1)


def test_a_failed_training_restores_the_terminal(store, monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes stderr for a terminal
    monkeypatch.setenv("TERM", "xterm")
    state = small(optimizer=broken_after(1))
    with pytest.raises(TrainingError):
        quick(state, store)
    drawn = capfd.readouterr().err
    hidden, shown = "\x1b[?25l", "\x1b[?25h"  # the cursor, while a bar is drawn
    assert drawn.count(hidden) == drawn.count(shown) == 1


# covers: N21
def test_a_normal_training_is_quiet_and_uses_nothing_obsolete(store, capfd, caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        for category in (UserWarning, DeprecationWarning, FutureWarning):
            warnings.simplefilter("error", category)
        quick(small(), store, validation_of(walks(12)))
    assert capfd.readouterr().out == ""
    # TensorFlow itself warns of many trainings in one process, as in tests.
    ours = [r for r in caplog.records if r.name.startswith("two_tower")]
    lines = [record.message.split(":")[0] for record in ours]
    assert lines[:2] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert lines[2].startswith("kept the weights of epoch")


def test_a_transformer_compiled_with_xla_takes_the_same_steps(tmp_path):
    sequence, losses = {"relative_time": True, "time_gap": True}, []
    for compiled in (True, False):
        towers = build_towers("transformer", sequence=sequence, dropout=0.1)
        batches = window_batches(walks(12), with_ages=True)
        store = CheckpointStore(tmp_path / str(compiled))
        records = quick(state_of(towers, batches, jit_compile=compiled), store)
        losses.append([record["loss"] for record in records])
    np.testing.assert_allclose(*losses, rtol=1e-4)
