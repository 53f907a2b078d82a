import keras
import numpy as np
import pytest

from tests.gradients import evaluated
from tests.towers.build import (
    DIMENSION,
    MAX_LENGTH,
    any_vectors,
    history_towers,
    mask_of,
    new_item_tower,
    pad,
    scatter_weights,
)
from two_tower.towers.base import StackedEncoder
from two_tower.towers.dropout import Dropout
from two_tower.towers.two_tower import TwoTower

pytestmark = pytest.mark.backend

IS_REAL = mask_of([5, 3], 5)


def make_encoder():
    layers = [
        keras.layers.GRU(3, return_sequences=True),
        Dropout(0.5, seed=1),
        keras.layers.Dense(DIMENSION),
    ]
    return StackedEncoder(layers, dimension=DIMENSION, max_length=MAX_LENGTH)


def built_encoder():
    encoder = make_encoder()
    encoder.build((None, None, DIMENSION))
    scatter_weights(encoder)
    return encoder


def test_states_are_the_output_of_the_last_layer():
    encoder, vectors = built_encoder(), any_vectors(2, 5, DIMENSION)
    found = evaluated(encoder)(vectors, IS_REAL)
    gru, _, dense = encoder.stack.layers
    np.testing.assert_allclose(
        found, evaluated(lambda one: dense(gru(one)))(vectors), 1e-5, 1e-6
    )
    trained = evaluated(lambda *of: encoder(*of, training=True))(vectors, IS_REAL)
    assert not np.allclose(found, trained)


def test_padding_changes_no_real_state():
    encode, vectors = evaluated(built_encoder()), any_vectors(2, 5, DIMENSION)
    padded = np.where(IS_REAL[..., None], vectors, np.float32(9))
    found, expected = encode(padded, IS_REAL), encode(vectors, IS_REAL)
    np.testing.assert_allclose(found[IS_REAL], expected[IS_REAL], 1e-5, 1e-6)


def test_a_model_is_rebuilt_from_its_configuration():
    towers = history_towers(new_item_tower(), make_encoder())
    towers.build()
    copy = TwoTower.from_config(towers.get_config())
    assert copy.get_config() == towers.get_config()
    copy.set_weights(towers.get_weights())
    batch = pad([[2, 3, 4], []])
    np.testing.assert_array_equal(
        evaluated(lambda: copy(batch))(), evaluated(lambda: towers(batch))()
    )
