import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import any_vectors, new_item_tower
from two_tower.towers.features import Feature, FeatureEmbedding
from two_tower.towers.hashed_embedding import Hash, HashedEmbedding
from two_tower.towers.hashing import Modulo
from two_tower.towers.transformer.relative import TimeGaps
from two_tower.towers.vectors import (
    masked_mean,
    prefix_means,
    take_rows,
    to_unit_length,
)

pytestmark = pytest.mark.backend

MASKS = arrays(bool, (3, 5))

HALF = "mixed_bfloat16"
# A bfloat16 sum of ones stops at 256.
N_READS = 3000
ROW = 2

GENRE = Feature("categorical", size=4, width=1)
RUNTIME = Feature("dense", size=1, width=1)

IDS = np.full(N_READS, ROW, np.int32)
ONES = np.ones((N_READS, 1), np.float32)

mean_of = evaluated(masked_mean)
prefix_means_of = evaluated(prefix_means)
unit_of = evaluated(to_unit_length)


# covers: Q2, Q6
@pytest.mark.parametrize("n_items", [1, 2, 17, 3000])
def test_masked_mean_is_the_mean_at_any_length(n_items):
    history = any_vectors(n_items, 4)
    found = mean_of(history, np.ones(n_items, bool))
    np.testing.assert_allclose(found, np.float64(history).mean(axis=0), 1e-5, 1e-6)


# covers: Q3, Q6
@settings(max_examples=30, deadline=None)
@given(MASKS)
def test_masked_mean_reads_no_padding(is_real):
    vectors = any_vectors(3, 5, 4)
    vectors[~is_real] = 1e6  # padding, which is not read
    found = mean_of(vectors, is_real)
    for row, mask in enumerate(is_real):
        expected = vectors[row][mask].sum(axis=0) / max(mask.sum(), 1)
        np.testing.assert_allclose(found[row], expected, 1e-5, 1e-6)


# covers: Q3, Q4
def test_masked_mean_has_no_gradient_from_padding():
    vectors = keras.Variable(any_vectors(2, 4, 3))
    is_real = np.array([[True, True, True, False], [True, False, False, False]])
    direction = any_vectors(2, 3, seed=1)

    def reference(values):
        first, second = values[0, :3].sum(axis=0) / 3, values[1, 0]
        return np.sum([first * direction[0], second * direction[1]])

    def function():
        return ops.sum(masked_mean(vectors.value, is_real) * direction)

    assert_same_as(reference, function, [vectors])
    _, (gradient,) = value_and_gradients(function, [vectors])
    assert not gradient[~is_real].any()


# covers: Q5
def test_masked_mean_of_nothing_is_zero_without_a_gradient():
    vectors = keras.Variable(any_vectors(2, 3, 4))
    nothing = np.zeros((2, 3), bool)
    value, (gradient,) = value_and_gradients(
        lambda: ops.sum(masked_mean(vectors.value, nothing)), [vectors]
    )
    assert value == 0
    assert not gradient.any()


# covers: Q11
def test_masked_mean_equals_keras_pooling_with_a_mask():
    ids = np.array([[3, 1, 2, 0, 0], [2, 0, 0, 0, 0], [1, 1, 4, 4, 2]])
    embedding = keras.layers.Embedding(5, 4, mask_zero=True)
    embedded = embedding(ids)
    expected = keras.layers.GlobalAveragePooling1D()(
        embedded, mask=embedding.compute_mask(ids)
    )
    np.testing.assert_allclose(mean_of(embedded, ids != 0), expected, 1e-5, 1e-6)


# covers: Q2, Q3, X1
@settings(max_examples=30, deadline=None)
@given(MASKS)
def test_each_prefix_mean_is_the_mean_up_to_its_position(is_real):
    vectors = any_vectors(3, 5, 4)
    found = prefix_means_of(vectors, is_real)
    for row, t in np.ndindex(3, 5):
        before = vectors[row, : t + 1][is_real[row, : t + 1]]
        expected = before.sum(axis=0) / max(len(before), 1)
        np.testing.assert_allclose(found[row, t], expected, 1e-5, 1e-6)


# covers: Q4, X1
def test_a_prefix_mean_has_no_gradient_from_padding_and_later_items():
    vectors = keras.Variable(any_vectors(1, 4, 2))
    is_real = np.array([[True, True, True, False]])
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(prefix_means(vectors.value, is_real)[0, 1]), [vectors]
    )
    assert gradient[0].tolist() == [[0.5, 0.5], [0.5, 0.5], [0, 0], [0, 0]]


# covers: Q10
def test_means_over_a_thousand_items_are_precise_in_half_precision():
    # Adding ones in bfloat16 would stop at 256.
    history, is_real = any_vectors(1, 1000, 4) + 1, np.ones((1, 1000), bool)
    for function in (masked_mean, lambda *of: prefix_means(*of)[:, -1]):
        mean = evaluated(
            lambda vectors, mask, function=function: ops.cast(
                function(ops.cast(vectors, "bfloat16"), mask), "float32"
            )
        )
        np.testing.assert_allclose(
            mean(history, is_real), history.mean(axis=1), rtol=0.02
        )


# covers: Q9
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([1e-3, 1.0, 1e6]))
def test_a_unit_vector_keeps_its_direction_and_has_length_one(seed, scale):
    vectors = any_vectors(3, 4, seed=seed) * np.float32(scale)
    lengths = np.linalg.norm(np.float64(vectors), axis=1, keepdims=True)
    np.testing.assert_allclose(unit_of(vectors), vectors / lengths, 1e-5, 1e-6)


def test_the_gradient_of_a_unit_vector_follows_the_definition():
    vectors = keras.Variable(any_vectors(3, 4))
    direction = any_vectors(3, 4, seed=1)

    def reference(values):
        lengths = np.sqrt((values**2).sum(axis=1, keepdims=True))
        return (values / lengths * direction).sum()

    assert_same_as(
        reference,
        lambda: ops.sum(to_unit_length(vectors.value) * direction),
        [vectors],
    )


# covers: Q5
def test_a_zero_vector_stays_zero_and_has_a_finite_gradient():
    vectors = keras.Variable(np.zeros((2, 4), np.float32))
    value, (gradient,) = value_and_gradients(
        lambda: ops.sum(to_unit_length(vectors.value)), [vectors]
    )
    assert value == 0
    assert np.isfinite(gradient).all()


def feature_layer(feature):
    return FeatureEmbedding(1, feature, 3, scale=0.1, l2=0.0, dtype=HALF)


def hashed_layer():
    return HashedEmbedding([Hash("ids", Modulo(5), 3)], 3, dtype=HALF)


def read_gaps(layer):
    ages = np.arange(N_READS, 0, -1, dtype=np.int32)[None]  # one second apart
    return layer(ages, ages)


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (lambda: new_item_tower(dtype=HALF), lambda layer: layer(IDS)),
        (lambda: feature_layer(GENRE), lambda layer: layer(IDS[:, None])),
        (lambda: feature_layer(RUNTIME), lambda layer: layer(ONES)),
        (hashed_layer, lambda layer: layer(IDS)),
        (lambda: TimeGaps(3, request_time=False, dtype=HALF), read_gaps),
    ],
    ids=["ids", "feature", "number", "hashed", "gaps"],
)
def test_gradients_of_a_row_that_is_read_often_are_summed_in_float32(make, read):
    layer = make()
    layer.build()
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(ops.cast(read(layer), "float32")), layer.trainable_weights
    )
    found = gradient.max(axis=0)
    # The first event has no previous one.
    np.testing.assert_allclose(found, N_READS, atol=1)


def test_gradients_of_rows_of_a_bfloat16_tensor_are_summed_in_float32():
    vectors = keras.Variable(np.ones((3, 4), np.float32))

    def total():
        half = ops.cast(vectors, "bfloat16")
        rows = take_rows(half, IDS, dtype="bfloat16")
        return ops.sum(ops.cast(rows, "float32"))

    _, (gradient,) = value_and_gradients(total, [vectors])
    np.testing.assert_allclose(gradient[ROW], N_READS, rtol=2**-8)


def test_take_rows_returns_the_rows():
    table = np.float32([[1, 2], [3, 4], [5, 6]])
    rows = np.array([[2, 0], [0, 1]])
    found = evaluated(lambda: take_rows(table, rows, dtype="float32"))()
    np.testing.assert_array_equal(found, table[rows])
