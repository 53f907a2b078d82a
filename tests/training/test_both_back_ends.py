"""Both back ends agree on a training step."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.gradients import value_and_gradients
from tests.towers.build import scatter_weights
from tests.training.fit_tiny import CHUNK, N_ITEMS, build_towers, walks, window_batches
from two_tower.training.objectives.softmax import FullSoftmax
from two_tower.training.task import RetrievalTask, Temperature

PROJECT = Path(__file__).parents[2]
OTHER = {"tensorflow": "jax", "jax": "tensorflow"}
TIMED = {
    "residual": "gated",
    "feed_forward": {"kind": "swiglu", "factor": 1.5},
    "relative_position": True,
    "relative_time": True,
    "time_gap": True,
    "request_time": True,
}
# Options of the towers.
CASES = {
    "plain": {},
    "timed, with dropout": {"sequence": TIMED, "dropout": 0.3},
    "separate": {"separate": True},
}


def step_of(case):
    """Return a training step's loss, and the length of each weight's gradient."""
    towers = build_towers("transformer", **CASES[case])
    scatter_weights(towers)
    objective = FullSoftmax(np.arange(N_ITEMS) != 4, CHUNK)
    task = RetrievalTask(towers, objective, Temperature(0.2, learned=False))
    task.build()
    batches = window_batches(walks(8), with_ages=towers.reads_events, request_time=True)
    batch = next(iter(batches))
    loss, gradients = value_and_gradients(
        lambda: task.compute_loss(x=batch, y_pred=task(batch, training=True)),
        towers.trainable_variables,
    )
    return [float(loss), *(float(np.linalg.norm(one)) for one in gradients)]


PRINT_STEPS = """
import json
from tests.training.test_both_back_ends import CASES, step_of

print(json.dumps({case: step_of(case) for case in CASES}))
"""


@pytest.fixture(scope="module")
def of_the_other():
    """The steps on the other back end, from another process."""
    chosen = {
        "KERAS_BACKEND": OTHER[keras.backend.backend()],
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    printed = subprocess.run(  # noqa: S603 - this very Python, code of this file
        [sys.executable, "-c", PRINT_STEPS],
        cwd=PROJECT,
        env=os.environ | chosen,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return json.loads(printed.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_back_ends_agree_on_a_step(case, of_the_other):
    found = step_of(case)
    np.testing.assert_allclose(found, of_the_other[case], rtol=1e-4, atol=1e-5)
