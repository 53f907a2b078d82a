"""Whole trainings of towers that read events, on batches of positions."""

import numpy as np
import pytest

from tests.training.fit_tiny import (
    BOUNDARIES,
    Interrupted,
    InterruptedStore,
    examples_of,
    objective_of,
    position_batches,
    state_of,
    validation_of,
    walks,
)
from tests.training.interests import N_ITEMS, make_towers
from tests.training.interests import objective_of as interest_softmax
from two_tower.negatives.queue import Queue
from two_tower.towers.encode import encode_histories, encode_items
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.fit import fit

pytestmark = pytest.mark.backend

HISTORIES = walks(12, n_items=N_ITEMS)
EPOCHS = 3
DENSE = np.arange(2, N_ITEMS, dtype=np.int32)


def train(store):
    """Train to the end, from a checkpoint if the store has one."""
    state = state_of(
        make_towers(n_vectors=1),
        position_batches(HISTORIES),
        objective=objective_of(n_items=N_ITEMS),
        monitor="val_mrr",
    )
    validation = validation_of(HISTORIES)
    fit(state, validation, epochs=EPOCHS, validate_every=1, store=store)
    return state


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return train(CheckpointStore(tmp_path_factory.mktemp("uninterrupted")))


def test_towers_that_read_events_learn(uninterrupted):
    losses = [record["loss"] for record in uninterrupted.history]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


# covers: A53
def test_a_resumed_training_continues_at_the_step_of_the_checkpoint(
    uninterrupted, tmp_path
):
    n_steps = EPOCHS * len(position_batches(HISTORIES))
    assert int(uninterrupted.task.optimizer.iterations) == n_steps
    with pytest.raises(Interrupted):
        train(InterruptedStore(tmp_path, epoch=2))
    resumed = train(CheckpointStore(tmp_path))
    assert int(resumed.task.optimizer.iterations) == n_steps
    for found, expected in zip(
        resumed.task.variables, uninterrupted.task.variables, strict=True
    ):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def train_interests(store):
    """Train several vectors on a queue with hard negatives, to the end."""
    queue = Queue(40, None, hard=12, unique=True)
    state = state_of(
        make_towers(),
        position_batches(
            HISTORIES,
            boundaries=BOUNDARIES[-1:],
            epochs=EPOCHS,
            sampler=BatchSampler(source=queue),
        ),
        objective=interest_softmax(hard=12, assignment="nearest"),
        monitor="val_mrr",
    )
    validation = validation_of(HISTORIES)
    fit(state, validation, epochs=EPOCHS, validate_every=1, store=store)
    return state


def without_times(history):
    return [
        {name: value for name, value in record.items() if "second" not in name}
        for record in history
    ]


# covers: A35 A49 A53
def test_a_resumed_training_of_interests_continues_with_its_queue(tmp_path):
    whole = train_interests(CheckpointStore(tmp_path / "uninterrupted"))
    with pytest.raises(Interrupted):
        train_interests(InterruptedStore(tmp_path / "broken", epoch=2))
    resumed = train_interests(CheckpointStore(tmp_path / "broken"))
    assert without_times(resumed.history) == without_times(whole.history)
    assert "hard_count_max" in whole.history[-1]
    for found, expected in zip(
        resumed.task.variables, whole.task.variables, strict=True
    ):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


# covers: A53
def test_training_and_both_encoders_use_the_same_layers(uninterrupted):
    towers = uninterrupted.task.towers
    weights = {id(weight) for weight in towers.weights}
    assert len(weights) == len(towers.weights) == len(make_towers(n_vectors=1).weights)
    encode(towers)
    encode_items(towers, DENSE)
    assert {id(weight) for weight in towers.weights} == weights
    trained = {id(weight) for weight in uninterrupted.task.trainable_variables}
    assert {id(weight) for weight in towers.trainable_weights} == trained


def encode(towers):
    examples = examples_of(HISTORIES)
    return encode_histories(
        towers,
        examples.histories,
        examples.users,
        boundaries=BOUNDARIES,
        tokens_per_batch=24,
        events=examples.events,
    )


# covers: A33
@pytest.mark.parametrize("n_vectors", [1, 2])
def test_validation_ranks_items_by_the_nearest_vector(n_vectors):
    towers = make_towers(n_vectors=n_vectors)
    items = encode_items(towers, DENSE)
    metrics = validation_of(HISTORIES).evaluate(towers, items)
    queries = encode(towers).reshape(len(HISTORIES), n_vectors, -1)
    scores = np.einsum("rvd,nd->rvn", queries, items).max(axis=1)
    ranks = []
    for history, own in zip(HISTORIES, scores, strict=True):
        target = own[history[-1] - 2]
        others = {*range(2, N_ITEMS)} - {*history}
        ranks.append(1 + sum(own[item - 2] >= target for item in others))
    assert metrics["val_mrr"] == pytest.approx(np.mean(1 / np.array(ranks)), rel=1e-5)
