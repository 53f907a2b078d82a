"""Averages of weights over the steps of a stack, which TensorFlow alone takes."""

from functools import partial

import keras
import numpy as np
from two_tower.training.objective.single_vector import shared_softmax

from tests.training.fit_tiny import CHUNK, build_towers, pair_feed_of, state_of, walks
from tests.training.test_averages import RATES, averages_of, run
from two_tower.negatives.in_batch import InBatch
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.callbacks import TrainingState
from two_tower.training.task import StackedTask


def stacked(rate, size):
    """Return a training whose steps are taken in stacks."""
    feed = pair_feed_of(walks(12), sampler=BatchSampler(source=InBatch(4, None)))
    objective = partial(shared_softmax, mask_hits=True, chunk=CHUNK)
    old = state_of(build_towers("profile"), feed, objective=objective, rate=rate)
    if size == 1:
        return old
    task = StackedTask(
        old.task.towers, objective, old.task.temperature, old.task.averages
    )
    task.build()
    task.compile(keras.optimizers.Adam(0.01), jit_compile=True)
    task.optimizer.build(task.trainable_variables)
    return TrainingState(task, feed, old.stopping, "these data", size)


def test_steps_of_a_compiled_stack_are_averaged_one_by_one(tmp_path):
    rate = RATES["ema"]
    one_by_one, together = stacked(rate, 1), stacked(rate, 3)
    run(one_by_one, tmp_path / "a", epochs=1)
    run(together, tmp_path / "b", epochs=1)
    for one, other in zip(averages_of(one_by_one), averages_of(together), strict=True):
        np.testing.assert_allclose(one, other, 1e-3, 1e-4)
