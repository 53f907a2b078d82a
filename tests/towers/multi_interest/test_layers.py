from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import any_vectors, mask_of, scatter_weights
from tests.towers.definitions import unit
from tests.towers.multi_interest import definitions
from two_tower.towers.multi_interest.layers import (
    LayerNorm,
    MultipathDense,
    best_vectors,
    positions_from_newest,
    weighted_softmax,
)

pytestmark = pytest.mark.backend

over_last = evaluated(partial(weighted_softmax, axis=-1))
over_both = evaluated(partial(weighted_softmax, axis=(1, 2)))

WEIGHTS = arrays(np.float32, (2, 5), elements=st.sampled_from([0.0, 0.25, 1.0, 3.0]))


def make_norm(*, to_unit):
    layer = LayerNorm(to_unit=to_unit)
    layer.build((None, None, 6))
    return layer


# covers: A31
@pytest.mark.parametrize("to_unit", [False, True])
def test_layer_norm_and_its_gradients_follow_the_definition(to_unit):
    layer = make_norm(to_unit=to_unit)
    scatter_weights(layer)
    vectors = keras.Variable(any_vectors(2, 3, 6))
    along = any_vectors(2, 3, 6, seed=1)

    def reference(vectors, gain, shift):
        rows = [
            [definitions.layer_norm(v, gain, shift, to_unit=to_unit) for v in row]
            for row in vectors
        ]
        return np.sum(along * rows)

    assert_same_as(
        reference,
        lambda: ops.sum(layer(vectors.value) * along),
        [vectors, layer.gain, layer.shift],
    )


# covers: A31
@pytest.mark.parametrize(("to_unit", "length"), [(False, np.sqrt(6)), (True, 1.0)])
def test_layer_norm_starts_with_vectors_of_one_length(to_unit, length):
    found = evaluated(make_norm(to_unit=to_unit))(any_vectors(2, 3, 6))
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), length, 1e-4)


# covers: A31
def test_layer_norm_of_a_constant_vector_and_its_gradient_are_finite():
    layer, vectors = make_norm(to_unit=True), keras.Variable(np.full((1, 6), 3.0))
    value, (gradient,) = value_and_gradients(
        lambda: ops.sum(layer(vectors.value)[:, 0]), [vectors]
    )
    assert value == pytest.approx(0, abs=1e-3)  # the last digit of the mean, over ε
    assert np.isfinite(gradient).all()


# covers: A31
def test_layer_norm_in_half_precision_has_exact_means():
    layer = LayerNorm(to_unit=False, dtype="mixed_bfloat16")
    layer.build((None, 6))
    # bfloat16 holds these integers, but neither their mean nor their squares.
    vectors = np.float32([[129, 130, 135, 142, 151, 170]])
    made = ops.cast(layer(vectors), "float32")
    expected = definitions.layer_norm(np.float64(vectors[0]), 1, 0, to_unit=False)
    # Rounded once: bfloat16 has 8 bits.
    np.testing.assert_allclose(np.asarray(made)[0], expected, 2**-8)


# covers: A29
@pytest.mark.parametrize(("output", "width"), [(None, 3), (5, 5)])
@pytest.mark.parametrize("use_bias", [False, True])
def test_each_path_has_its_own_weights(output, width, use_bias):
    layer = MultipathDense(2, output=output, use_bias=use_bias)
    layer.build((None, 2, 3))
    scatter_weights(layer)
    vectors = keras.Variable(any_vectors(4, 2, 3))
    along = any_vectors(4, 2, width, seed=1)

    def reference(vectors, kernel, *more):
        bias = more[0] if more else np.zeros((2, width))
        rows = [
            [definitions.dense(row[path], kernel[path], bias[path]) for path in (0, 1)]
            for row in vectors
        ]
        return np.sum(along * rows)

    assert_same_as(
        reference,
        lambda: ops.sum(layer(vectors.value) * along),
        [vectors, *layer.trainable_weights],
    )


# covers: A29
def test_paths_start_with_different_weights_of_the_scale_of_one_path():
    layer = MultipathDense(3, output=None, use_bias=False)
    layer.build((None, 3, 100))
    kernel = np.asarray(layer.kernel)
    expected = np.sqrt(2 / (100 + 100))  # Glorot & Bengio, fans of one path
    np.testing.assert_allclose(kernel.std(axis=(1, 2)), expected, 0.05)
    assert not np.allclose(kernel[0], kernel[1])


@pytest.mark.parametrize(
    "layer",
    [LayerNorm(to_unit=True), MultipathDense(2, output=5, use_bias=True)],
    ids=lambda layer: type(layer).__name__,
)
def test_the_configuration_rebuilds_the_layer(layer):
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config


# covers: A19
@settings(max_examples=30)
@given(WEIGHTS, st.integers(0, 99))
def test_weighted_softmax_follows_the_definition(weights, seed):
    logits = any_vectors(2, 5, seed=seed) * 3
    found = over_last(logits, weights)
    for row in range(2):
        expected = definitions.weighted_softmax(np.float64(logits[row]), weights[row])
        np.testing.assert_allclose(found[row], expected, 1e-5, 1e-6)


# covers: A19
def test_weighted_softmax_sums_to_one_over_several_axes():
    logits, weights = any_vectors(2, 3, 4), np.abs(any_vectors(2, 3, 4, seed=1))
    found = over_both(logits, weights)
    for row in range(2):
        expected = definitions.weighted_softmax(np.float64(logits[row]), weights[row])
        np.testing.assert_allclose(found[row], expected, 1e-5, 1e-6)


# covers: A19
def test_elements_without_weight_are_zero_and_change_no_other():
    logits = np.array([[1.0, 1e6, 2.0], [1.0, -1e6, 2.0]], np.float32)
    found = over_last(logits, np.array([[1, 0, 1], [1, 0, 1]], np.float32))
    assert not found[:, 1].any()
    np.testing.assert_allclose(found[:, 0], 1 / (1 + np.e), 1e-5)
    np.testing.assert_array_equal(found[0], found[1])


# covers: A19
def test_weighted_softmax_without_any_weight_is_zero():
    logits = any_vectors(2, 5)
    np.testing.assert_array_equal(over_last(logits, np.zeros_like(logits)), 0)


# covers: A19
def test_weighted_softmax_of_large_logits_is_finite():
    found = over_last(
        np.array([[-3e4, -3e4 - 1], [3e4, 0]], np.float32), np.ones((2, 2), np.float32)
    )
    np.testing.assert_allclose(found[0], [1 / (1 + 1 / np.e), 1 / (1 + np.e)], 1e-5)
    np.testing.assert_allclose(found[1], [1, 0], 1e-5)


# covers: A19
def test_gradients_of_weighted_softmax_follow_the_definition():
    logits = keras.Variable(any_vectors(2, 5))
    weights = np.array([[1, 0.5, 0, 2, 1], [0, 0, 0, 0, 0]], np.float32)
    along = any_vectors(2, 5, seed=1)

    def reference(values):
        rows = map(definitions.weighted_softmax, values, weights)
        return np.sum(along * [*rows])

    assert_same_as(
        reference,
        lambda: ops.sum(weighted_softmax(logits.value, weights, -1) * along),
        [logits],
    )


# covers: A19
def test_elements_without_weight_have_no_gradient():
    logits = keras.Variable(any_vectors(2, 5) * 100)
    weights = np.array([[1, 0, 0, 2, 1], [0, 0, 0, 0, 0]], np.float32)
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(ops.square(weighted_softmax(logits.value, weights, -1))),
        [logits],
    )
    assert np.isfinite(gradient).all()
    assert not gradient[weights == 0].any()


# covers: A18
def test_positions_count_from_the_newest_item_and_old_ones_share_the_last():
    found = np.asarray(positions_from_newest(mask_of([4, 2], 4), 3))
    assert found[0].tolist() == [2, 2, 1, 0]
    assert found[1, :2].tolist() == [1, 0]


# covers: A34
@pytest.mark.parametrize("k", [1, 2, 4])
def test_best_vectors_have_the_highest_scores_best_first(k):
    vectors = unit(any_vectors(3, 4, 5))
    scores = np.float32([[0, 3, 1, 2], [9, 8, 7, 6], [-1, -4, -3, -2]])
    found = evaluated(partial(best_vectors, k=k))(vectors, scores)
    order = [[1, 3, 2, 0], [0, 1, 2, 3], [0, 3, 2, 1]]
    expected = [[vectors[u][v] for v in order[u][:k]] for u in range(3)]
    np.testing.assert_array_equal(found, expected)


# covers: A34
@pytest.mark.parametrize("k", [0, 5])
def test_more_vectors_than_there_are_are_refused(k):
    with pytest.raises(ValueError, match=f"k is {k}.* choose 1 to 4"):
        best_vectors(any_vectors(3, 4, 5), np.zeros((3, 4), np.float32), k)
