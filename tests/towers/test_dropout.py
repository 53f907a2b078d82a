from functools import cache

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import evaluated, value_and_gradients
from two_tower.towers.dropout import Dropout, is_kept, mix

SHAPE = (200, 500)
N_ELEMENTS = 100_000
RATE = 0.3
STANDARD_DEVIATION = (RATE * (1 - RATE)) ** 0.5


@cache
def mask(seed, count, shape=SHAPE, rate=RATE):
    """Return 1 for each element that is kept, 0 for others."""
    kept = evaluated(lambda state: is_kept(shape, state, rate=rate))
    return kept(np.array([seed, count], np.int32)).astype(int)


def correlation(first, second):
    """Return the correlation of two masks, in standard deviations of chance."""
    product = (first - (1 - RATE)) * (second - (1 - RATE))
    return product.mean() / STANDARD_DEVIATION**2 * product.size**0.5


@pytest.mark.backend
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_the_given_share_is_dropped(rate):
    error = (rate * (1 - rate) / N_ELEMENTS) ** 0.5
    shares = [1 - mask(seed, 7, rate=rate).mean() for seed in range(4)]
    np.testing.assert_allclose(shares, rate, atol=4 * error)


@pytest.mark.backend
def test_each_row_and_each_column_has_the_share():
    kept = mask(1, 0)
    for axis in (0, 1):
        n = SHAPE[axis]
        deviations = (kept.mean(axis) - (1 - RATE)) / STANDARD_DEVIATION * n**0.5
        assert np.abs(deviations).max() < 5
        # Chance spreads them by 1.
        assert deviations.std() == pytest.approx(1, abs=0.2)


@pytest.mark.backend
@pytest.mark.parametrize("distance", [1, 2, 3, 16, 64, 256, 499, 500, 4096])
def test_neighbours_are_independent(distance):
    flat = mask(2, 5).ravel()
    assert abs(correlation(flat[:-distance], flat[distance:])) < 4.5


@pytest.mark.backend
@pytest.mark.parametrize(
    "others",
    [
        [(3, step) for step in range(1, 9)],  # the steps of a layer
        [(seed, 0) for seed in range(4, 12)],  # layers have seeds one apart
        [(3 + step, step) for step in range(1, 9)],
        [(step, 3) for step in range(8)],
    ],
)
def test_steps_and_layers_are_independent(others):
    own = mask(3, 0)
    for seed, count in others:
        other = mask(seed, count)
        for shift in (0, 1, seed, count):  # nor is one a shift of the other
            moved = np.roll(other, shift, axis=1)
            assert abs(correlation(own, moved)) < 4.5


@pytest.mark.backend
def test_mix_is_the_published_function():
    numbers = np.array([0, 1, 2, 0xFFFFFFFF], np.uint32)
    with np.errstate(over="ignore"):
        expected = numbers ^ (numbers >> np.uint32(16))
        expected = expected * np.uint32(0x7FEB352D)
        expected = (expected ^ (expected >> np.uint32(15))) * np.uint32(0x846CA68B)
        expected = expected ^ (expected >> np.uint32(16))
    np.testing.assert_array_equal(evaluated(mix)(numbers), expected)


@pytest.mark.backend
def test_an_element_depends_on_its_index_and_the_state_alone():
    whole = mask(1, 4).ravel()
    np.testing.assert_array_equal(mask(1, 4, shape=(10, 25)).ravel(), whole[:250])
    np.testing.assert_array_equal(mask(1, 4, shape=(5, 2, 3)).ravel(), whole[:30])


@pytest.mark.backend
def test_kept_elements_are_scaled_and_dropped_ones_have_no_gradient():
    layer, inputs = Dropout(RATE, seed=1), keras.Variable(np.full((50, 40), 2.0))
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(layer(inputs.value, training=True)), [inputs]
    )
    fresh = Dropout(RATE, seed=1)
    outputs = evaluated(lambda: fresh(inputs.value, training=True))()
    is_dropped = outputs == 0
    assert is_dropped.mean() == pytest.approx(RATE, abs=0.05)
    np.testing.assert_allclose(outputs[~is_dropped], 2 / (1 - RATE), rtol=1e-6)
    np.testing.assert_allclose(gradient, outputs / 2, rtol=1e-6)


@pytest.mark.backend
@pytest.mark.parametrize("layer", [Dropout(0.0, seed=1), Dropout(RATE, seed=1)])
def test_nothing_is_dropped_at_rate_zero_or_outside_training(layer):
    inputs = np.ones((3, 4), np.float32)
    training = layer.rate == 0
    outputs = layer(inputs, training=training)
    np.testing.assert_array_equal(np.asarray(outputs), inputs)


@pytest.mark.backend
def test_each_call_has_a_new_mask_which_the_state_restores():
    layer, inputs = Dropout(RATE, seed=5), np.ones((8, 8), np.float32)
    first = np.asarray(layer(inputs, training=True))
    between = np.asarray(layer.seed_generator.state.value)
    second, third = (np.asarray(layer(inputs, training=True)) for _ in range(2))
    assert (first != second).any()
    assert (second != third).any()
    resumed = Dropout(RATE, seed=5)
    resumed.seed_generator.state.assign(between)
    np.testing.assert_array_equal(np.asarray(resumed(inputs, training=True)), second)


@pytest.mark.backend
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_drops_the_same_elements(dtype):
    inputs = np.ones((40, 40), np.float32)
    half, whole = (
        evaluated(lambda rows, one=one: one(rows, training=True))(inputs)
        for one in (Dropout(RATE, seed=1, dtype=dtype), Dropout(RATE, seed=1))
    )
    assert half.dtype.name == dtype.removeprefix("mixed_")
    np.testing.assert_array_equal(half == 0, whole == 0)
    np.testing.assert_allclose(half.astype(np.float32), whole, rtol=1e-2)


@pytest.mark.backend
def test_the_configuration_rebuilds_the_layer():
    layer = Dropout(RATE, seed=3)
    copy = Dropout.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert keras.saving.get_registered_name(Dropout) == "two_tower>Dropout"


@pytest.mark.backend
@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_rate_outside_of_zero_to_one_is_refused(rate):
    with pytest.raises(
        ValueError, match=rf"rate is {rate}; choose a share in \[0, 1\)"
    ):
        Dropout(rate, seed=1)


@pytest.mark.backend
def test_an_option_of_keras_dropout_alone_is_refused():
    with pytest.raises(ValueError, match="noise_shape"):
        Dropout(RATE, seed=1, noise_shape=(2, 1))


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX compiles for each shape"
)
@pytest.mark.parametrize("compiled", [False, True])
def test_one_graph_serves_batches_of_any_shape(compiled):
    import tensorflow as tf

    layer, n_traces = Dropout(0.3, seed=1), 0

    @tf.function(input_signature=[tf.TensorSpec([None, None])], jit_compile=compiled)
    def drop(rows):
        nonlocal n_traces
        n_traces += 1
        return layer(rows, training=True)

    for shape in [(30, 40), (20, 60), (1, 1)]:
        assert drop(tf.ones(shape)).shape == shape
    assert n_traces == 1
