from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import scatter_weights
from tests.towers.definitions import batch_norm, mlp
from two_tower.towers.mlp import Mlp

pytestmark = pytest.mark.backend

ROWS = np.random.default_rng(4).normal(size=(12, 3)).astype(np.float32)
DIRECTION = np.linspace(-1, 1, 24).reshape(12, 2)

EACH_DEPTH = pytest.mark.parametrize("hidden_units", [[], [4], [6, 4]])


def make_mlp(hidden_units, *, batch_norm=False, dropout=0.0, seed=1, **options):
    layer = Mlp(
        hidden_units, 2, batch_norm=batch_norm, dropout=dropout, seed=seed, **options
    )
    layer.build((None, 3))
    scatter_weights(layer)
    return layer


def dense_weights(layer):
    """Return kernels and biases in turn."""
    layers = [*layer.hidden, layer.output_layer]
    return [weight for dense in layers for weight in (dense.kernel, dense.bias)]


# covers: L9, L10
@EACH_DEPTH
def test_relu_layers_precede_a_linear_layer(hidden_units):
    layer, rows = make_mlp(hidden_units), keras.Variable(ROWS)
    assert_same_as(
        lambda rows, *layers: np.sum(mlp(rows, layers) * DIRECTION),
        lambda: ops.sum(layer(rows.value) * DIRECTION),
        [rows, *dense_weights(layer)],
    )


# covers: L10
@EACH_DEPTH
def test_batch_norm_normalises_input_and_relu_layers_in_training(hidden_units):
    layer, rows = make_mlp(hidden_units, batch_norm=True), keras.Variable(ROWS)
    scales = [weight for norm in layer.norms for weight in (norm.gamma, norm.beta)]

    def reference(rows, *weights):
        layers, gains, shifts = weights[: -len(scales)], *split(weights[-len(scales) :])
        norms = [
            partial(batch_norm, gain=gain, shift=shift)
            for gain, shift in zip(gains, shifts, strict=True)
        ]
        return np.sum(mlp(rows, layers, norms) * DIRECTION)

    assert_same_as(
        reference,
        lambda: ops.sum(layer(rows.value, training=True) * DIRECTION),
        [rows, *dense_weights(layer), *scales],
    )


def split(gains_and_shifts):
    return gains_and_shifts[::2], gains_and_shifts[1::2]


# covers: L10
def test_batch_norm_uses_moving_averages_outside_training():
    layer = make_mlp([4], batch_norm=True)
    rng, norms = np.random.default_rng(8), []
    for norm in layer.norms:
        statistics = rng.uniform(0.5, 2, (2, norm.gamma.shape[0]))
        norm.moving_mean.assign(statistics[0])
        norm.moving_variance.assign(statistics[1])
        scale = np.float64(norm.gamma.value), np.float64(norm.beta.value)
        norms.append(lambda states, s=scale, m=statistics: batch_norm(states, *s, *m))
    layers = [np.float64(weight.value) for weight in dense_weights(layer)]
    found = evaluated(layer)(ROWS)
    np.testing.assert_allclose(found, mlp(ROWS, layers, norms), 1e-5, 1e-6)
    alone = evaluated(layer)(ROWS[:1])
    np.testing.assert_allclose(alone, found[:1], 1e-5, 1e-6)


# covers: L10
def test_each_batch_updates_the_moving_averages():
    layer = make_mlp([], batch_norm=True)
    layer(ROWS, training=True)
    (norm,) = layer.norms
    momentum = 0.99  # Keras' default
    mean = (1 - momentum) * ROWS.mean(axis=0)
    variance = momentum + (1 - momentum) * ROWS.var(axis=0)
    np.testing.assert_allclose(norm.moving_mean.value, mean, 1e-5, 1e-6)
    np.testing.assert_allclose(norm.moving_variance.value, variance, 1e-5, 1e-6)


# covers: L10
def test_padding_is_excluded_from_the_statistics():
    layer, is_real = make_mlp([4], batch_norm=True), np.arange(12) < 9
    train = partial(layer, training=True)
    found = evaluated(lambda rows: train(rows, weights=np.float32(is_real)))(ROWS)
    alone = evaluated(train)(ROWS[is_real])
    np.testing.assert_allclose(found[is_real], alone, 1e-5, 1e-5)


# covers: L11
def test_a_share_of_the_units_is_dropped_in_training():
    layer = Mlp([50], 50, batch_norm=False, dropout=0.3, seed=1)
    layer.build((None, 1))
    # Each output is a hidden unit, all of which are 1.
    layer.set_weights([np.zeros((1, 50)), np.ones(50), np.eye(50), np.zeros(50)])
    found = evaluated(partial(layer, training=True))(np.zeros((40, 1)))
    is_dropped = found == 0
    np.testing.assert_allclose(found[~is_dropped], 1 / 0.7, rtol=1e-5)
    # Four standard deviations of a share of 0.3 among 2,000.
    assert is_dropped.mean() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 2000) ** 0.5)
    np.testing.assert_array_equal(
        evaluated(layer)(np.zeros((40, 1))), np.ones((40, 50))
    )


# covers: L11
def test_without_dropout_training_changes_nothing():
    layer = make_mlp([4])
    found = evaluated(partial(layer, training=True))(ROWS)
    np.testing.assert_array_equal(found, evaluated(layer)(ROWS))


# covers: X12
def test_one_seed_drops_the_same_units():
    layers = [make_mlp([8, 8], dropout=0.5, seed=seed) for seed in (3, 3, 4)]
    first, second, other = (np.asarray(mlp(ROWS, training=True)) for mlp in layers)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


# covers: L9
def test_half_precision_has_float32_weights_and_finite_gradients():
    layer = make_mlp([4], batch_norm=True, dtype="mixed_bfloat16")
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    assert evaluated(layer)(ROWS).dtype.name == "bfloat16"
    _, gradients = value_and_gradients(
        lambda: ops.sum(ops.cast(layer(ROWS, training=True), "float32") * DIRECTION),
        layer.trainable_weights,
    )
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_the_configuration_rebuilds_the_layer():
    layer = make_mlp([6, 4], batch_norm=True, dropout=0.25)
    copy = Mlp.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    copy.build((None, 3))
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(evaluated(copy)(ROWS), evaluated(layer)(ROWS))
