"""The batches that Keras trains on, epoch by epoch."""

import threading
import time

import keras
import numpy as np
import pytest
from keras import ops

from tests.training.fit_tiny import (
    LossOf,
    build_towers,
    state_of,
    walks,
    window_batches,
)
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.fit import fit
from two_tower.training.keras_input import (
    BATCHES_AHEAD,
    N_STEPS,
    as_keras_input,
    prefetch,
    stack_batches,
)

KEPT = 0.9


def wait_until(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.001)


def entry(labels):
    """Return a number that identifies a batch."""
    return float(np.dot(labels, np.arange(len(labels)))) / 1e4


def write_down(towers, batch, *, temperature, training):
    """Return a loss whose SGD step sets v to 0.9 v + the batch's entry.

    After training, v identifies the batches and their order.
    """
    labels = ops.cast(batch["labels"], "float32")
    index = ops.cumsum(ops.ones_like(labels)) - 1
    weight = ops.sum(batch["weights"])  # the task divides by it
    v = towers.no_history[0]
    return weight * ((1 - KEPT) * v * v / 2 - v * ops.sum(labels * index) / 1e4)


# covers: A41 N13
@pytest.mark.backend
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_keras_trains_on_the_epochs_own_order(tmp_path):
    towers, batches = build_towers(), window_batches(walks(8))
    expected = float(towers.no_history[0])
    for epoch in range(3):
        batches.begin(epoch)
        for batch in batches:
            expected = KEPT * expected + entry(batch["labels"])
    state = state_of(
        towers,
        batches,
        objective=LossOf(write_down),
        optimizer=keras.optimizers.SGD(1.0),
    )
    fit(state, None, epochs=3, validate_every=1, store=CheckpointStore(tmp_path))
    assert float(towers.no_history[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX takes arrays as they come"
)
def test_tensorflow_knows_which_dimensions_vary():
    # Both first batches have one width: Keras would infer that all have it.
    batches = window_batches(
        [[2, 3]] * 40 + [list(range(2, 9))] * 4, boundaries=[1, 6], tokens_per_batch=12
    )
    spec = as_keras_input(batches, stack=1).element_spec
    assert {name: tuple(part.shape) for name, part in spec.items()} == {
        "users": (None,),
        "rows": (None,),
        "items": (None, None),
        "labels": (None,),
        "positions": (None,),
        "weights": (None,),
    }


def batch(labels, n_candidates):
    return {
        "labels": np.int32(labels),
        "candidates": np.arange(2, 2 + n_candidates, dtype=np.int32),
    }


def test_a_stack_holds_successive_batches_and_says_how_many():
    batches = [batch([3, 4], 2), batch([5, 6], 3), batch([7, 8], 1)]
    first, last = stack_batches(batches, 2)
    assert first["labels"].tolist() == [[3, 4], [5, 6]]
    # The widest batch's candidates fit; behind narrower ones stands padding.
    assert first["candidates"].tolist() == [[2, 3, 0], [2, 3, 4]]
    assert first[N_STEPS] == 2
    assert last["labels"].tolist() == [[7, 8], [0, 0]]
    assert last[N_STEPS] == 1


def test_batches_are_prefetched_in_another_thread_and_come_in_order():
    made, threads = [], set()

    def source():
        for number in range(5):
            made.append(number)
            threads.add(threading.get_ident())
            yield number

    ahead = prefetch(source())
    assert next(ahead) == 0
    wait_until(lambda: len(made) == 1 + BATCHES_AHEAD)
    assert list(ahead) == [1, 2, 3, 4]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_in_making_a_batch_is_raised_at_that_batch():
    def source():
        yield 1
        raise ValueError("no more items")

    ahead = prefetch(source())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="no more items"):
        next(ahead)


def test_prefetching_ends_when_the_reader_stops():
    made = []
    ahead = prefetch(made.append(number) or number for number in range(100))
    assert next(ahead) == 0
    ahead.close()
    assert len(made) <= 2 + BATCHES_AHEAD
