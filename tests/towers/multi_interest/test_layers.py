import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import scatter_weights
from tests.towers.multi_interest import definitions
from tests.towers.multi_interest.build import any_vectors
from two_tower.towers.multi_interest.layers import LayerNorm

pytestmark = pytest.mark.backend


def make_layer(*, to_unit):
    layer = LayerNorm(to_unit=to_unit)
    layer.build((None, None, 6))
    return layer


# covers: A31
@pytest.mark.parametrize("to_unit", [False, True])
def test_vectors_and_gradients_follow_the_definition(to_unit):
    layer = make_layer(to_unit=to_unit)
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
def test_vectors_start_with_a_length_that_is_the_same_for_all(to_unit, length):
    found = evaluated(make_layer(to_unit=to_unit))(any_vectors(2, 3, 6))
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), length, 1e-4)


# covers: A31
def test_a_vector_of_equal_numbers_is_finite_and_so_is_its_gradient():
    layer, vectors = make_layer(to_unit=True), keras.Variable(np.full((1, 6), 3.0))
    value, (gradient,) = value_and_gradients(
        lambda: ops.sum(layer(vectors.value)[:, 0]), [vectors]
    )
    assert value == pytest.approx(0, abs=1e-3)  # the last digit of the mean, over ε
    assert np.isfinite(gradient).all()


# covers: A31
def test_half_precision_standardises_by_exact_means():
    layer = LayerNorm(to_unit=False, dtype="mixed_bfloat16")
    layer.build((None, 6))
    # Whole numbers that bfloat16 holds, but it has neither their mean nor squares.
    vectors = np.float32([[129, 130, 135, 142, 151, 170]])
    made = ops.cast(layer(vectors), "float32")
    expected = definitions.layer_norm(np.float64(vectors[0]), 1, 0, to_unit=False)
    # Rounded once: bfloat16 has 8 bits.
    np.testing.assert_allclose(np.asarray(made)[0], expected, 2**-8)


def test_the_configuration_rebuilds_the_layer():
    config = make_layer(to_unit=True).get_config()
    assert LayerNorm.from_config(config).get_config() == config
