import keras
import numpy as np
import pytest

from two_tower.training.optimizers import (
    OptimizerOptions,
    exclude_from_decay,
    make_optimizer,
)

pytestmark = pytest.mark.backend

OPTIONS = OptimizerOptions(
    beta_2=0.99,
    epsilon=1e-7,
    initial_accumulator=0.1,
    momentum=0.0,
    weight_decay=0.1,
    clip_norm=None,
)


def test_weight_decay_leaves_scalars_and_vectors_alone():
    weights = [
        keras.Variable(np.full(shape, 2.0, np.float32)) for shape in [(), (3,), (4, 3)]
    ]
    optimizer = make_optimizer("adamw", learning_rate=0.5, options=OPTIONS)
    exclude_from_decay(optimizer, weights)
    optimizer.build(weights)
    optimizer.apply([np.zeros(weight.shape, np.float32) for weight in weights])
    found = [float(np.mean(np.asarray(weight.value))) for weight in weights]
    assert found == pytest.approx([2, 2, 2 - 0.5 * 0.1 * 2])
