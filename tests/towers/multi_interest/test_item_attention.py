import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import scatter_weights
from tests.towers.multi_interest import definitions
from tests.towers.multi_interest.build import any_vectors, mask_of
from two_tower.towers.multi_interest.item_attention import ContextAttention

pytestmark = pytest.mark.backend

LENGTHS = [4, 1, 0]
IS_REAL = mask_of(LENGTHS, 4)


def make_layer(*, position_bias=False, max_length=4):
    layer = ContextAttention(3, max_length=max_length, position_bias=position_bias)
    layer.build()
    scatter_weights(layer)
    return layer


def weights_of(layer):
    weights = [*layer.hidden.weights, *layer.logit.weights]
    return [*weights, layer.positions] if layer.position_bias else weights


def any_inputs(width=4, seed=5):
    return any_vectors(3, width, 3, seed=seed), any_vectors(3, width, 3, seed=seed + 1)


# covers: A17, A18
@pytest.mark.parametrize(
    ("position_bias", "max_length"), [(False, 4), (True, 4), (True, 2)]
)
def test_probabilities_and_gradients_follow_the_definition(position_bias, max_length):
    layer = make_layer(position_bias=position_bias, max_length=max_length)
    vectors, contexts = map(keras.Variable, any_inputs())
    along = any_vectors(3, 4, seed=9)

    def reference(vectors, contexts, *weights):
        total = 0.0
        for row, n in enumerate(LENGTHS[:2]):
            probability = definitions.context_attention(
                vectors[row, :n], contexts[row, :n], *weights
            )
            total += probability @ along[row, :n]
        return total

    assert_same_as(
        reference,
        lambda: ops.sum(layer(vectors.value, contexts.value, IS_REAL) * along),
        [vectors, contexts, *weights_of(layer)],
    )


# covers: A17
def test_padding_gets_nothing_and_has_no_say():
    vectors, contexts = any_inputs()
    attend = evaluated(make_layer())
    found = attend(vectors, contexts, IS_REAL)
    assert not found[~IS_REAL].any()
    np.testing.assert_allclose(found.sum(axis=1), [1, 1, 0], 1e-5)
    others = np.where(IS_REAL[..., None], vectors, np.float32(1e4))
    np.testing.assert_array_equal(attend(others, contexts, IS_REAL), found)


# covers: A17
def test_padding_gets_no_gradient():
    vectors, contexts = map(keras.Variable, any_inputs())
    layer = make_layer(position_bias=True)
    _, gradients = value_and_gradients(
        lambda: ops.sum(ops.square(layer(vectors.value, contexts.value, IS_REAL))),
        [vectors, contexts],
    )
    for gradient in gradients:
        assert gradient[0].any(axis=-1).all()
        assert not gradient[~IS_REAL].any()


# covers: A18
def test_positions_count_from_the_newest_item():
    # What stands before a history of two makes no difference between those two.
    vectors, contexts = any_inputs()
    attend = evaluated(make_layer(position_bias=True))
    whole = attend(vectors, contexts, mask_of([4, 4, 4], 4))
    newest = attend(vectors[:, 2:], contexts[:, 2:], mask_of([2, 2, 2], 2))
    np.testing.assert_allclose(
        whole[:, 2] / whole[:, 3], newest[:, 0] / newest[:, 1], 1e-4
    )


# covers: A18
@pytest.mark.parametrize("position_bias", [False, True])
def test_the_order_of_a_history_has_a_say_with_position_bias_alone(position_bias):
    vectors, contexts = any_inputs()
    attend = evaluated(make_layer(position_bias=position_bias))
    is_real = mask_of([4, 4, 4], 4)
    forwards = attend(vectors, contexts, is_real)
    backwards = attend(vectors[:, ::-1], contexts[:, ::-1], is_real)[:, ::-1]
    assert np.allclose(forwards, backwards, 1e-4, 1e-6) != position_bias


def test_the_configuration_rebuilds_the_layer():
    config = make_layer(position_bias=True).get_config()
    assert ContextAttention.from_config(config).get_config() == config
