from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated
from two_tower.towers.batch_norm import BatchNorm

pytestmark = pytest.mark.backend

ROWS = np.random.default_rng(4).normal(2, 3, size=(6, 3)).astype(np.float32)
WEIGHTS = np.float32([3, 1, 0, 2, 1, 5])
DIRECTION = np.linspace(-1, 1, 18).reshape(6, 3)


def make_norm(width=3, **options):
    layer = BatchNorm(**options)
    layer.build((None, width))
    layer.gamma.assign(np.linspace(0.5, 2, width))
    layer.beta.assign(np.linspace(-1, 1, width))
    return layer


def normalised(rows, gain, shift):
    weights = WEIGHTS.astype(np.float64)[:, None]
    mean = (rows * weights).sum(axis=0) / weights.sum()
    variance = ((rows - mean) ** 2 * weights).sum(axis=0) / weights.sum()
    return (rows - mean) / np.sqrt(variance + 1e-3) * gain + shift


# covers: L10
def test_rows_count_by_their_weights():
    layer, rows = make_norm(), keras.Variable(ROWS)
    assert_same_as(
        lambda rows, *scale: np.sum(normalised(rows, *scale) * DIRECTION),
        lambda: ops.sum(layer(rows.value, training=True, weights=WEIGHTS) * DIRECTION),
        [rows, layer.gamma, layer.beta],
    )


# covers: L10
def test_a_weight_equals_repeated_rows():
    repeats = WEIGHTS.astype(int)
    one, other = make_norm(), make_norm()
    found = one(ROWS, training=True, weights=WEIGHTS)
    expected = other(np.repeat(ROWS, repeats, axis=0), training=True)
    repeated = np.repeat(np.asarray(found), repeats, axis=0)
    np.testing.assert_allclose(repeated, expected, 1e-5, 1e-5)
    for name in ("moving_mean", "moving_variance"):
        averages = [np.asarray(getattr(norm, name).value) for norm in (one, other)]
        np.testing.assert_allclose(*averages, 1e-5, 1e-6)


# covers: L10
def test_equal_weights_give_the_result_of_keras_layer():
    layer, theirs = make_norm(), keras.layers.BatchNormalization()
    theirs.build((None, 3))
    theirs.set_weights(layer.get_weights())
    for training in (True, False):
        found = evaluated(partial(layer, training=training))(ROWS)
        expected = evaluated(partial(theirs, training=training))(ROWS)
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


def test_a_batch_of_padding_is_finite():
    layer = make_norm()
    found = layer(ROWS, training=True, weights=np.zeros(6, np.float32))
    assert np.isfinite(np.asarray(found)).all()


def test_statistics_are_float32_in_half_precision():
    layer = make_norm(1, dtype="mixed_bfloat16")
    rows = np.float32([[1000.0], [1001.0]] * 300)  # equal in half precision
    found = layer(keras.ops.cast(rows, "bfloat16"), training=True)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    assert np.isfinite(np.asarray(ops.cast(found, "float32"))).all()
