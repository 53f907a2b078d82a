"""Whole trainings of transformers that read times."""

import ibis
import numpy as np
import pyarrow as pa
import pytest

from tests.gradients import evaluated
from tests.towers.build import scatter_weights
from tests.training.fit_tiny import (
    BOUNDARIES,
    Interrupted,
    InterruptedStore,
    build_towers,
    second_of,
    state_of,
    validation_of,
    walks,
    window_batches,
)
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_histories
from two_tower.towers.events import Events
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.fit import fit
from two_tower.training.inputs import read_examples

pytestmark = pytest.mark.backend

EPOCHS = 3
TIMES = {"relative_time": True, "time_gap": True, "request_time": True}
HISTORIES = walks(40)


def train(store):
    """Train to the end, from a checkpoint if the store has one.

    History items have a separate tower, and every layer has dropout.
    """
    towers = build_towers("transformer", sequence=TIMES, separate=True, dropout=0.1)
    batches = window_batches(HISTORIES, with_ages=True, request_time=True)
    state = state_of(towers, batches)
    fit(state, validation_of(HISTORIES), epochs=EPOCHS, validate_every=1, store=store)
    return state


def contents(state):
    """Return all numbers that training changed: weights, seeds, moments."""
    variables = [*state.task.variables, *state.task.optimizer.variables]
    return [*(np.asarray(variable) for variable in variables), *state.stopping.weights]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return train(CheckpointStore(tmp_path_factory.mktemp("uninterrupted")))


def test_transformers_that_read_times_learn(uninterrupted):
    losses = [record["loss"] for record in uninterrupted.history]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]
    bias = uninterrupted.task.towers.history_encoder.blocks[0].attention.bias
    assert np.asarray(bias.times).any()


# covers: A53
def test_a_resumed_training_ends_with_the_weights_of_the_uninterrupted_one(
    uninterrupted, tmp_path
):
    with pytest.raises(Interrupted):
        train(InterruptedStore(tmp_path, epoch=2))
    resumed = train(CheckpointStore(tmp_path))
    assert resumed.stopping.state() == uninterrupted.stopping.state()
    for found, expected in zip(contents(resumed), contents(uninterrupted), strict=True):
        np.testing.assert_array_equal(found, expected)


# covers: X1
def test_a_position_of_training_is_what_is_served_when_its_target_comes():
    # Positions count from the end of a window, and so are the last one's alone.
    towers = build_towers("transformer", sequence=TIMES | {"absolute_position": False})
    scatter_weights(towers)
    history = [2, 3, 4, 5, 6, 7, 8]
    (batch,) = window_batches(
        [history], boundaries=[6], with_ages=True, request_time=True
    )
    read = {name: batch[name] for name in ("items", "positions", "ages")}
    trained = evaluated(lambda: towers.queries(read))()[:6]
    rows = [history[: length + 1] for length in range(6)]
    seconds = [second_of(2, place) for row in rows for place in range(len(row))]
    asked_at = [second_of(2, len(row)) for row in rows]
    served = encode_histories(
        towers,
        Ragged.from_lists(rows),
        np.full(6, 2, np.int32),
        boundaries=BOUNDARIES,
        tokens_per_batch=24,
        events=Events(np.array(seconds), np.zeros(21, np.float32), np.array(asked_at)),
    )
    np.testing.assert_allclose(served, trained, rtol=1e-4, atol=1e-5)


def test_validation_asks_at_the_time_of_the_first_positive():
    examples = pa.table(
        {
            "user": pa.array([2, 3], pa.int32()),
            "items": pa.array([[5], [6, 7]], pa.list_(pa.int32())),
            "targets": pa.array([[8, 9], [10, 11, 12]], pa.list_(pa.int32())),
            "other_seen": pa.array([[3], []], pa.list_(pa.int32())),
            "timestamps": pa.array([[10], [20, 30]], pa.list_(pa.int64())),
            "ratings": pa.array([[1], [2, 3]], pa.list_(pa.float32())),
            "target_timestamps": pa.array(
                [[40, 50], [60, 60, 70]], pa.list_(pa.int64())
            ),
        }
    )
    found = read_examples(ibis.memtable(examples), with_events=True)
    assert found.events.asked_at.tolist() == [40, 60]
    assert found.other_seen.values.tolist() == [3]
