import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as
from tests.towers.build import scatter_weights
from tests.towers.multi_interest import definitions
from tests.towers.multi_interest.build import any_vectors
from two_tower.towers.multi_interest.item_attention import CoAction

pytestmark = pytest.mark.backend


# covers: A16
def test_contexts_and_gradients_follow_the_definition():
    layer = CoAction(3)
    layer.build((None, None, 4), (None, 5))
    scatter_weights(layer)
    keys, query = (
        keras.Variable(any_vectors(2, 3, 4)),
        keras.Variable(any_vectors(2, 5)),
    )
    along = any_vectors(2, 3, 3, seed=1)

    def reference(keys, queries, *weights):
        rows = [
            definitions.co_action(*row, *weights)
            for row in zip(keys, queries, strict=True)
        ]
        return np.sum(along * rows)

    assert_same_as(
        reference,
        lambda: ops.sum(layer(keys.value, query.value) * along),
        [keys, query, *layer.of_key.weights, *layer.of_query.weights],
    )


def test_the_configuration_rebuilds_the_layer():
    config = CoAction(3).get_config()
    assert CoAction.from_config(config).get_config() == config
