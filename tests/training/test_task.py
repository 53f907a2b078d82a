"""The temperature, the penalty, and stacked steps."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.training.fit_tiny import (
    CHUNK,
    LossOf,
    build_towers,
    pair_batches,
    state_of,
    walks,
)
from two_tower.negatives.in_batch import InBatch
from two_tower.training.alarms import TrainingError
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.callbacks import TrainingState
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.fit import fit
from two_tower.training.objectives.softmax import SharedSoftmax
from two_tower.training.task import StackedTask, Temperature

TENSORFLOW_ALONE = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX's steps are not stacked"
)


def state_with(*, learned=False, rate=0.05, l2=0.0, objective=None):
    sampler = BatchSampler(source=InBatch(4, None))
    return state_of(
        build_towers("profile", l2=l2),
        pair_batches(walks(12), sampler=sampler),
        objective=objective or SharedSoftmax(mask_hits=True, chunk=CHUNK),
        temperature=Temperature(0.2, learned=learned),
        optimizer=keras.optimizers.SGD(rate),
    )


def run(state, folder, epochs=2):
    store = CheckpointStore(folder)
    return fit(state, None, epochs=epochs, validate_every=1, store=store)


# covers: L19
@pytest.mark.backend
def test_a_learned_temperature_is_trained_and_reported(tmp_path):
    state = state_with(learned=True)
    found = [record["temperature"] for record in run(state, tmp_path)]
    assert found[-1] == pytest.approx(state.task.temperature.current)
    assert 0 < found[-1] != found[0] != 0.2


# covers: L19
@pytest.mark.backend
def test_a_fixed_temperature_stays(tmp_path):
    found = [record["temperature"] for record in run(state_with(), tmp_path)]
    assert found == [0.2, 0.2]


def push_down(towers, batch, *, temperature, training):
    """A loss that falls with the temperature alone."""
    vectors = towers.queries(batch, training=training)
    return 100 * ops.sum(batch["weights"]) * temperature + 0 * ops.sum(vectors)


# covers: L19
@pytest.mark.backend
def test_no_loss_drives_the_temperature_to_0_or_below(tmp_path):
    state = state_with(learned=True, rate=1.0, objective=LossOf(push_down))
    records = run(state, tmp_path, epochs=1)
    assert 0 < records[0]["temperature"] < 0.02
    assert np.isfinite(np.asarray(state.task.temperature.log_temperature))


# covers: L16
@pytest.mark.backend
def test_the_penalty_shrinks_embeddings_and_is_no_part_of_the_recorded_loss(tmp_path):
    def nothing(towers, batch, *, temperature, training):
        return 0 * ops.sum(towers.queries(batch, training=training))

    state = state_with(l2=0.1, objective=LossOf(nothing))
    before = np.asarray(state.task.towers.item_tower.table).copy()
    record, *_ = run(state, tmp_path, epochs=1)
    # A step subtracts rate · 2 · l2 of each weight.
    left = (1 - 0.05 * 2 * 0.1) ** len(state.batches)
    after = np.asarray(state.task.towers.item_tower.table)
    np.testing.assert_allclose(after, left * before, rtol=1e-4, atol=1e-6)
    assert record["loss"] == 0


def stacked(state, size, *, jit_compile=False):
    """Return the training with its steps in stacks."""
    old = state.task
    task = StackedTask(old.towers, old.objective, old.temperature)
    task.build()
    task.compile(keras.optimizers.SGD(0.05), jit_compile=jit_compile)
    task.optimizer.build(task.trainable_variables)
    return TrainingState(task, state.batches, state.stopping, "these data", size)


@TENSORFLOW_ALONE
@pytest.mark.parametrize(("size", "jit_compile"), [(3, False), (50, False), (3, True)])
def test_steps_in_stacks_are_the_same_steps(size, jit_compile, tmp_path):
    one_by_one = run(state_with(), tmp_path / "a")
    together = run(stacked(state_with(), size, jit_compile=jit_compile), tmp_path / "b")
    for one, other in zip(one_by_one, together, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)


def always_nan(towers, batch, *, temperature, training):
    return ops.sum(towers.queries(batch, training=training)) * np.nan


LOSS_IS_NAN = r"loss is nan in epoch 1, by step 4"


# covers: X10
@pytest.mark.backend
def test_a_loss_that_breaks_within_several_steps_stops_training(tmp_path):
    state = state_with(objective=LossOf(always_nan))
    state.task.steps_per_execution = 4
    with pytest.raises(TrainingError, match=LOSS_IS_NAN):
        run(state, tmp_path)


# covers: X10
@TENSORFLOW_ALONE
def test_a_loss_that_breaks_within_a_stack_stops_training(tmp_path):
    state = stacked(state_with(objective=LossOf(always_nan)), 4)
    with pytest.raises(TrainingError, match=LOSS_IS_NAN):
        run(state, tmp_path)
