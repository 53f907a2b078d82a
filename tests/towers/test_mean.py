import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as
from tests.towers.build import DIMENSION, make_encoder, scatter_weights
from tests.towers.definitions import mean_user
from two_tower.towers.mean import MeanUserTower

pytestmark = pytest.mark.backend

IS_REAL = np.array([[True, True, True], [True, True, False]])


def make_tower(**options):
    tower = make_encoder("mean", **options)
    tower.build((None, None, DIMENSION))
    scatter_weights(tower)
    return tower


def any_vectors():
    return np.random.default_rng(5).normal(size=(2, 3, DIMENSION)).astype(np.float32)


# covers: Q3, Q6, Q8, Q12
def test_states_and_gradients_follow_the_definition():
    tower = make_tower()
    layers = [*tower.hidden, tower.output_layer]
    weights = [weight for layer in layers for weight in (layer.kernel, layer.bias)]
    vectors = keras.Variable(any_vectors())
    direction = np.linspace(-1, 1, 24).reshape(2, 3, DIMENSION)
    direction[~IS_REAL] = 0

    def reference(values, *layers):
        states = [
            [mean_user(history[: t + 1], layers) for t in range(3)]
            for history in values
        ]
        return np.sum(states * direction)

    assert_same_as(
        reference,
        lambda: ops.sum(tower(vectors.value, IS_REAL) * direction),
        [vectors, *weights],
    )


# covers: Q8
def test_relu_layers_lie_between_the_mean_and_a_linear_layer():
    tower = make_tower()
    assert [layer.units for layer in tower.hidden] == [6, 5]
    assert [layer.activation.__name__ for layer in tower.hidden] == ["relu", "relu"]
    assert tower.output_layer.activation.__name__ == "linear"


def test_the_configuration_rebuilds_the_tower():
    tower = make_tower(dropout=0.25)
    copy = MeanUserTower.from_config(tower.get_config())
    assert copy.get_config() == tower.get_config()
    assert [drop.rate for drop in copy.drops] == [0.25, 0.25]
