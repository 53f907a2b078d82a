import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated
from tests.towers.build import scatter_weights
from tests.towers.multi_interest import definitions
from tests.towers.multi_interest.build import any_vectors, mask_of
from two_tower.towers.multi_interest.item_attention import QueryAttention

pytestmark = pytest.mark.backend

LENGTHS = [4, 2, 3, 0]
IS_REAL = mask_of(LENGTHS, 4)
IS_KNOWN = np.array([[True, True], [False, True], [False, False], [True, False]])
VECTORS, QUERIES = any_vectors(4, 4, 3), any_vectors(4, 2, 3, seed=1)


def make_layer(*, transform=True):
    layer = QueryAttention(3, temperature=0.5, transform=transform)
    layer.build()
    scatter_weights(layer)
    return layer


# covers: A30
@pytest.mark.parametrize("transform", [False, True])
def test_probabilities_and_gradients_follow_the_definition(transform):
    layer = make_layer(transform=transform)
    vectors, queries = keras.Variable(VECTORS), keras.Variable(QUERIES)
    along = any_vectors(4, 4, seed=9)

    def reference(vectors, queries, *change):
        total = 0.0
        for row, n in enumerate(LENGTHS[:3]):
            asked = queries[row][IS_KNOWN[row]]
            probability = definitions.query_attention(
                vectors[row, :n], asked, 0.5, *change
            )
            total += probability @ along[row, :n]
        return total

    assert_same_as(
        reference,
        lambda: ops.sum(layer(vectors.value, queries.value, IS_REAL, IS_KNOWN) * along),
        [vectors, queries, *layer.trainable_weights],
    )


# covers: A30
def test_padding_gets_nothing_and_real_items_share_the_whole():
    found = evaluated(make_layer())(VECTORS, QUERIES, IS_REAL, IS_KNOWN)
    assert not found[~IS_REAL].any()
    np.testing.assert_allclose(found.sum(axis=1), [1, 1, 1, 0], 1e-5)


# covers: A30
def test_the_lengths_of_items_have_a_say():
    attend = evaluated(make_layer())
    found = attend(VECTORS, QUERIES, IS_REAL, IS_KNOWN)
    assert not np.allclose(attend(VECTORS * 2, QUERIES, IS_REAL, IS_KNOWN), found)


# covers: A30
@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_must_be_above_zero(temperature):
    with pytest.raises(ValueError, match="above 0"):
        QueryAttention(3, temperature=temperature, transform=True)


def test_the_configuration_rebuilds_the_layer():
    config = make_layer().get_config()
    assert QueryAttention.from_config(config).get_config() == config
