"""Tables under half precision: what reads a row often teaches it as often."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import evaluated, value_and_gradients
from tests.towers.build import new_item_tower
from two_tower.towers.features import Feature, FeatureEmbedding
from two_tower.towers.hashed_embedding import Hash, HashedEmbedding
from two_tower.towers.hashing import Modulo
from two_tower.towers.transformer.relative import TimeGaps
from two_tower.towers.vectors import take_rows

pytestmark = pytest.mark.backend

HALF = "mixed_bfloat16"
# A sum of ones in bfloat16 ends at 256, where one more is rounded away.
N_READS = 3000
ROW = 2

GENRE = Feature("categorical", size=4, width=1)
RUNTIME = Feature("dense", size=1, width=1)

ids = np.full(N_READS, ROW, np.int32)
ones = np.ones((N_READS, 1), np.float32)


def feature_layer(feature):
    return FeatureEmbedding(1, feature, 3, scale=0.1, l2=0.0, dtype=HALF)


def hashed_layer():
    return HashedEmbedding([Hash("ids", Modulo(5), 3)], 3, dtype=HALF)


def read_gaps(layer):
    ages = np.arange(N_READS, 0, -1, dtype=np.int32)[None]  # a second between any two
    return layer(ages, ages)


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (lambda: new_item_tower(dtype=HALF), lambda layer: layer(ids)),
        (lambda: feature_layer(GENRE), lambda layer: layer(ids[:, None])),
        (lambda: feature_layer(RUNTIME), lambda layer: layer(ones)),
        (hashed_layer, lambda layer: layer(ids)),
        (lambda: TimeGaps(3, request_time=False, dtype=HALF), read_gaps),
    ],
    ids=["ids", "feature", "number", "hashed", "gaps"],
)
def test_a_row_that_is_read_often_has_the_gradient_of_all_that_read_it(make, read):
    layer = make()
    layer.build()
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(ops.cast(read(layer), "float32")), layer.trainable_weights
    )
    found = gradient.max(axis=0)
    # The first of the gaps is to nothing.
    np.testing.assert_allclose(found, N_READS, atol=1)


def test_rows_of_a_half_precise_tensor_have_gradients_that_add_up():
    vectors = keras.Variable(np.ones((3, 4), np.float32))

    def total():
        half = ops.cast(vectors, "bfloat16")
        rows = take_rows(half, ids, dtype="bfloat16")
        return ops.sum(ops.cast(rows, "float32"))

    _, (gradient,) = value_and_gradients(total, [vectors])
    np.testing.assert_allclose(gradient[ROW], N_READS, rtol=2**-8)


def test_rows_are_read_as_they_are():
    table = np.float32([[1, 2], [3, 4], [5, 6]])
    rows = np.array([[2, 0], [0, 1]])
    found = evaluated(lambda: take_rows(table, rows, dtype="float32"))()
    np.testing.assert_array_equal(found, table[rows])
