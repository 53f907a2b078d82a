"""Optimisers do what was asked: rates step by step, decay, clipping."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import value_and_gradients
from tests.training.fit_tiny import cosine_rate, optimizer_of
from tests.training.tiny import parameters
from two_tower.training.optimizers import exclude_from_decay

pytestmark = pytest.mark.backend

START, GRADIENT = [1.0, -2.0], [0.3, -0.4]


def steps(optimizer, n_steps, gradient=GRADIENT):
    """Return the variable after each step, `[n_steps, 2]`."""
    variable = keras.Variable(START)
    optimizer.build([variable])
    values = []
    for _ in range(n_steps):
        optimizer.apply([ops.convert_to_tensor(gradient)])
        values.append(np.asarray(variable.value))
    return np.array(values)


# covers: A51
def test_each_step_takes_the_rate_that_was_asked_for():
    # With one gradient throughout, Adam moves by the learning rate in every step.
    rate = cosine_rate(warmup_steps=3, total_steps=10)
    values = steps(optimizer_of("adam", rate), 10)
    moved = np.abs(np.diff(values, axis=0, prepend=[START]))
    asked = [[float(rate(step))] * 2 for step in range(10)]
    np.testing.assert_allclose(moved, asked, rtol=1e-3, atol=1e-6)


# covers: A51
@pytest.mark.parametrize("rate", [0.001, 0.05])
def test_a_constant_rate_is_the_one_used(rate):
    moved = START - steps(optimizer_of("adam", rate), 1)[0]
    np.testing.assert_allclose(moved, [rate, -rate], rtol=1e-3)


# covers: N13
@pytest.mark.parametrize("start", [0.1, 1e-6])
def test_adagrad_divides_by_all_gradients_so_far(start):
    values = steps(optimizer_of("adagrad", 0.1, initial_accumulator_value=start), 3)
    sums = start + np.outer([1, 2, 3], np.square(GRADIENT))
    moved = np.cumsum(0.1 * np.array(GRADIENT) / np.sqrt(sums), axis=0)
    np.testing.assert_allclose(values, START - moved, rtol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_sgd_follows_the_gradient_and_its_momentum(momentum):
    values = steps(optimizer_of("sgd", 0.1, momentum=momentum), 3)
    velocities = np.array([1, 1 + momentum, 1 + momentum + momentum**2])
    moved = np.cumsum(0.1 * np.outer(velocities, GRADIENT), axis=0)
    np.testing.assert_allclose(values, START - moved, rtol=1e-5)


def test_adamw_decays_weights_apart_from_the_gradient():
    plain = steps(optimizer_of("adam", 0.1), 1)[0]
    decayed = steps(optimizer_of("adamw", 0.1, weight_decay=0.5), 1)[0]
    np.testing.assert_allclose(plain - decayed, 0.1 * 0.5 * np.array(START), rtol=1e-5)


# covers: L15
def test_epsilon_is_added_to_the_denominator():
    # Kingma & Ba's ε̂, before the correction of the second moment, which is √(1 - β₂).
    moved = START - steps(optimizer_of("adam", 0.1, epsilon=1.0), 1, [0.5, 0.5])[0]
    root = np.sqrt(1 - 0.98)
    np.testing.assert_allclose(moved, 0.1 * root * 0.5 / (root * 0.5 + 1), rtol=1e-3)


def test_beta_2_is_how_long_squared_gradients_are_remembered():
    first, second = [1.0, 1.0], [0.0, 0.0]
    optimizer = optimizer_of("adam", 0.1, beta_2=0.5)
    variable = keras.Variable(START)
    optimizer.build([variable])
    optimizer.apply([ops.convert_to_tensor(first)])
    before = np.asarray(variable.value)
    optimizer.apply([ops.convert_to_tensor(second)])
    mean, square = 0.9 * 0.1 / (1 - 0.9**2), 0.5 * 0.5 / (1 - 0.5**2)
    moved = before - np.asarray(variable.value)
    np.testing.assert_allclose(moved, 0.1 * mean / np.sqrt(square), rtol=1e-3)


# covers: A51
@pytest.mark.parametrize(
    ("clip_norm", "expected"),
    [
        pytest.param(1.0, [0.06, 0.08], id="ten times too long, cut to a tenth"),
        pytest.param(20.0, [0.6, 0.8], id="short enough, left alone"),
        pytest.param(None, [0.6, 0.8], id="no limit"),
    ],
)
def test_gradients_are_cut_to_one_norm_over_all_variables(clip_norm, expected):
    optimizer = optimizer_of("adagrad", 1.0, clip_norm=clip_norm)
    variables = [keras.Variable(0.0), keras.Variable(0.0)]
    optimizer.build(variables)
    # 6 and 8: together of norm 10.
    optimizer.apply([ops.convert_to_tensor(6.0), ops.convert_to_tensor(8.0)])
    scale = 0.1 if clip_norm == 1.0 else 1.0
    cut = scale * np.array([6.0, 8.0])
    moved = [-float(variable.value) for variable in variables]
    np.testing.assert_allclose(moved, cut / np.sqrt(0.1 + cut**2), rtol=1e-5)


# covers: A51
@pytest.mark.parametrize(
    ("clip_norm", "expected"),
    [
        pytest.param(1.0, [[0.6, 0.8], [0.3, 0.4]], id="each of norm 1 at most"),
        pytest.param(20.0, [[6.0, 8.0], [0.3, 0.4]], id="short enough, left alone"),
    ],
)
def test_gradients_may_be_cut_to_a_norm_of_each_tensor(clip_norm, expected):
    optimizer = optimizer_of("sgd", 1.0, clip_norm=clip_norm, clip="each")
    variables = [keras.Variable([0.0, 0.0]), keras.Variable([0.0, 0.0])]
    optimizer.build(variables)
    # Of norms 10 and 0.5.
    gradients = [[6.0, 8.0], [0.3, 0.4]]
    optimizer.apply([ops.convert_to_tensor(gradient) for gradient in gradients])
    moved = [-np.asarray(variable.value) for variable in variables]
    np.testing.assert_allclose(moved, expected, rtol=1e-5)


# covers: A51
@pytest.mark.parametrize("clip", ["global", "each"])
def test_what_is_cut_does_not_change_the_rate(clip):
    moved = START - steps(optimizer_of("adam", 0.05, clip_norm=0.1, clip=clip), 1)[0]
    np.testing.assert_allclose(moved, [0.05, -0.05], rtol=1e-3)


def lookup_gradient(table, ids):
    """Return the gradient of five times the sum of some rows, as the back end has it.

    TensorFlow has a list of rows, with an id as often as it was looked up.
    """

    def total():
        return ops.sum(ops.take(table, np.array(ids), axis=0) * 5.0)

    if keras.backend.backend() != "tensorflow":
        return ops.convert_to_tensor(value_and_gradients(total, [table])[1][0])
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = total()
    return tape.gradient(value, table.value)


# covers: A51
@pytest.mark.parametrize("clip", ["global", "each"])
def test_the_norm_of_a_tables_gradient_is_that_of_its_rows_sums(clip):
    table = keras.Variable(np.zeros((3, 2), np.float32))
    optimizer = optimizer_of("sgd", 1.0, clip_norm=1.0, clip=clip)
    optimizer.build([table])
    optimizer.apply([lookup_gradient(table, [0, 0, 0, 2])])
    # Rows of three times 5 and of 5 in two columns.
    whole = np.array([[15, 15], [0, 0], [5, 5]])
    expected = -whole / np.sqrt((whole**2).sum())
    np.testing.assert_allclose(np.asarray(table.value), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        ("adam", keras.optimizers.Adam),
        ("adamw", keras.optimizers.AdamW),
        ("adagrad", keras.optimizers.Adagrad),
        ("sgd", keras.optimizers.SGD),
    ],
)
def test_each_kind_of_optimizer_gets_its_options(kind, base):
    options = {} if kind == "sgd" else {"epsilon": 1e-5}
    changes = {"optimizer": {"kind": kind, "clip_norm": 2.0, kind: options}}
    optimizer = parameters(changes).optimizer.build(0.1)
    assert isinstance(optimizer, base)
    assert optimizer.global_clipnorm == 2.0
    assert getattr(optimizer, "epsilon", 1e-5) == 1e-5


def test_weight_decay_leaves_scalars_and_vectors_alone():
    weights = [
        keras.Variable(np.full(shape, 2.0, np.float32)) for shape in [(), (3,), (4, 3)]
    ]
    optimizer = optimizer_of("adamw", 0.5, weight_decay=0.1)
    exclude_from_decay(optimizer, weights)
    optimizer.build(weights)
    optimizer.apply([np.zeros(weight.shape, np.float32) for weight in weights])
    found = [float(np.mean(np.asarray(weight.value))) for weight in weights]
    assert found == pytest.approx([2, 2, 2 - 0.5 * 0.1 * 2])
