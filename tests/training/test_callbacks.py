"""Early stopping, and the callbacks around each epoch."""

import math

import numpy as np
import pytest

from tests.training.fit_tiny import (
    ScriptedValidation,
    build_towers,
    pair_batches,
    state_of,
    walks,
)
from two_tower.training.alarms import TrainingError
from two_tower.training.callbacks import (
    Alarms,
    BestWeights,
    EarlyStopping,
    EpochRecord,
    RankingValidation,
    ResumableCheckpoint,
    build_callbacks,
)
from two_tower.training.checkpoints import CheckpointStore

MONITOR = "val_ndcg@10"


def after(values, *, patience=2):
    stopping = EarlyStopping(MONITOR, patience)
    for epoch, value in enumerate(values):
        others = {"val_mrr": -value}
        weights = [np.full(2, float(epoch))]
        stopping.update(epoch, {MONITOR: value, **others}, weights)
    return stopping


def test_the_best_epoch_by_the_monitored_metric_is_kept():
    stopping = after([0.1, 0.4, 0.3])
    assert (stopping.best, stopping.best_epoch) == (0.4, 1)
    np.testing.assert_array_equal(stopping.weights[0], [1.0, 1.0])


def test_training_stops_when_patience_has_run_out():
    assert not after([0.4, 0.3]).should_stop
    assert after([0.4, 0.3, 0.2]).should_stop


def test_a_better_epoch_renews_patience():
    assert not after([0.4, 0.3, 0.5, 0.2]).should_stop


def test_the_first_of_equal_epochs_is_the_best():
    assert after([0.4, 0.4]).best_epoch == 0


def test_there_is_no_best_epoch_before_the_first():
    stopping = EarlyStopping(MONITOR, 1)
    assert (stopping.best, stopping.best_epoch) == (-math.inf, -1)
    assert not stopping.should_stop


def test_a_restored_early_stopping_continues_to_wait():
    first = after([0.4, 0.3])
    other = EarlyStopping(MONITOR, 2)
    other.restore(first.state(), first.weights)
    other.update(2, {MONITOR: 0.2}, [np.zeros(2)])
    assert other.should_stop
    assert (other.best, other.best_epoch) == (0.4, 0)
    np.testing.assert_array_equal(other.weights[0], [0.0, 0.0])


@pytest.fixture
def state():
    return state_of(build_towers("profile"), pair_batches(walks(5)), patience=1)


def weights_of(state):
    return state.task.towers.get_weights()


@pytest.mark.parametrize("is_validated", [True, False])
def test_the_callbacks_of_an_epoch_run_in_order(is_validated, state, tmp_path):
    validation = ScriptedValidation([]) if is_validated else None
    found = build_callbacks(
        state, validation, validate_every=1, epochs=2, store=CheckpointStore(tmp_path)
    )
    validating = [RankingValidation, BestWeights] if is_validated else []
    expected = [EpochRecord, Alarms, *validating, ResumableCheckpoint]
    assert [type(callback) for callback in found] == expected


def test_an_epochs_record_says_what_it_was_trained_with(state):
    callback = EpochRecord(state)
    callback.on_epoch_begin(2)
    callback.on_epoch_end(2, {"loss": 1.5, "steps": 4})
    record = state.record
    assert (record["epoch"], record["loss"]) == (3, 1.5)
    assert record["learning_rate"] == pytest.approx(0.01)
    assert record["temperature"] == 0.2
    assert record["examples_per_second"] * record["seconds"] == pytest.approx(
        state.batches.n_positives
    )
    assert state.batches.epoch == 2


# covers: X10
def test_alarms_stop_at_a_loss_of_nan_and_name_the_step(state):
    callback = Alarms(state)
    callback.on_epoch_begin(0)
    callback.on_train_batch_end(0, {"loss": 2.0, "steps": 1})
    with pytest.raises(TrainingError, match="loss is nan in epoch 1, by step 2"):
        callback.on_train_batch_end(1, {"loss": math.nan, "steps": 2})


def test_alarms_leave_the_item_vectors_for_validation(state):
    Alarms(state).on_epoch_end(0)
    towers = state.task.towers
    assert state.item_vectors.shape == (towers.item_tower.n_entities - 2, 8)


# covers: L26
def test_validation_ranks_every_few_epochs_and_after_the_last(state):
    validation = ScriptedValidation([0.1, 0.2])
    callback = RankingValidation(state, validation, every=3, epochs=4)
    found = []
    for epoch in range(4):
        state.record = {}
        callback.on_epoch_end(epoch)
        found.append(state.record.get(MONITOR))
    assert found == [None, None, 0.1, 0.2]
    assert state.record["validation_seconds"] >= 0


# covers: L26
def test_the_best_weights_are_kept_and_patience_stops_training(state):
    callback = BestWeights(state)
    callback.set_model(state.task)
    state.task.stop_training = False
    state.record = {}
    callback.on_epoch_end(0)  # not validated
    assert not state.stopping.weights
    state.record, best = {MONITOR: 0.4}, weights_of(state)
    callback.on_epoch_end(1)
    assert not state.task.stop_training
    state.task.towers.set_weights([weight + 1 for weight in best])
    state.record = {MONITOR: 0.3}
    callback.on_epoch_end(2)
    assert state.task.stop_training
    for kept, expected in zip(state.stopping.weights, best, strict=True):
        np.testing.assert_array_equal(kept, expected)


# covers: X17
def test_a_checkpoint_is_saved_with_the_record_of_the_epoch(state, tmp_path):
    store = CheckpointStore(tmp_path)
    record = {
        "epoch": 1,
        "loss": 1.5,
        "seconds": 1.0,
        "examples_per_second": 9.0,
        "request_time": False,
    }
    state.record = record
    ResumableCheckpoint(state, store, epochs=3).on_epoch_end(0)
    saved = [np.asarray(variable) for variable in state.task.variables]
    state.task.towers.set_weights([weight + 1 for weight in weights_of(state)])
    state.history.clear()
    state.restore(store)
    assert state.history == [record]
    for variable, expected in zip(state.task.variables, saved, strict=True):
        np.testing.assert_array_equal(np.asarray(variable), expected)
