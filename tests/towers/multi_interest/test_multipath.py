import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as
from tests.towers.build import scatter_weights
from tests.towers.multi_interest import definitions
from tests.towers.multi_interest.build import any_vectors
from two_tower.towers.multi_interest.layers import MultipathDense

pytestmark = pytest.mark.backend


# covers: A29
@pytest.mark.parametrize(("output", "width"), [(None, 3), (5, 5)])
@pytest.mark.parametrize("use_bias", [False, True])
def test_each_path_has_a_matrix_of_its_own(output, width, use_bias):
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
def test_paths_start_apart_and_as_large_as_one_alone_would():
    layer = MultipathDense(3, output=None, use_bias=False)
    layer.build((None, 3, 100))
    kernel = np.asarray(layer.kernel)
    expected = np.sqrt(2 / (100 + 100))  # Glorot and Bengio, by the fans of one path
    np.testing.assert_allclose(kernel.std(axis=(1, 2)), expected, 0.05)
    assert not np.allclose(kernel[0], kernel[1])


def test_the_configuration_rebuilds_the_layer():
    config = MultipathDense(2, output=5, use_bias=True).get_config()
    assert MultipathDense.from_config(config).get_config() == config
