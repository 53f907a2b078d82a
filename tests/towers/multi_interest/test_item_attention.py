import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import any_vectors, mask_of, scatter_weights
from tests.towers.multi_interest import definitions
from two_tower.towers.multi_interest.item_attention import (
    CoAction,
    ContextAttention,
    QueryAttention,
)

pytestmark = pytest.mark.backend

# Inputs of context attention.
LENGTHS = [4, 1, 0]
IS_REAL = mask_of(LENGTHS, 4)

# Inputs of query attention.
QUERY_LENGTHS = [4, 2, 3, 0]
QUERY_IS_REAL = mask_of(QUERY_LENGTHS, 4)
IS_KNOWN = np.array([[True, True], [False, True], [False, False], [True, False]])
VECTORS, QUERIES = any_vectors(4, 4, 3), any_vectors(4, 2, 3, seed=1)


def make_context_attention(*, position_bias=False, max_length=4):
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
def test_context_attention_and_its_gradients_follow_the_definition(
    position_bias, max_length
):
    layer = make_context_attention(position_bias=position_bias, max_length=max_length)
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
def test_context_attention_gives_padding_nothing():
    vectors, contexts = any_inputs()
    attend = evaluated(make_context_attention())
    found = attend(vectors, contexts, IS_REAL)
    assert not found[~IS_REAL].any()
    np.testing.assert_allclose(found.sum(axis=1), [1, 1, 0], 1e-5)
    others = np.where(IS_REAL[..., None], vectors, np.float32(1e4))
    np.testing.assert_array_equal(attend(others, contexts, IS_REAL), found)


# covers: A17
def test_context_attention_has_no_gradient_from_padding():
    vectors, contexts = map(keras.Variable, any_inputs())
    layer = make_context_attention(position_bias=True)
    _, gradients = value_and_gradients(
        lambda: ops.sum(ops.square(layer(vectors.value, contexts.value, IS_REAL))),
        [vectors, contexts],
    )
    for gradient in gradients:
        assert gradient[0].any(axis=-1).all()
        assert not gradient[~IS_REAL].any()


# covers: A18
def test_position_bias_counts_from_the_newest_item():
    # Earlier items do not change the ratio of the newest two probabilities.
    vectors, contexts = any_inputs()
    attend = evaluated(make_context_attention(position_bias=True))
    whole = attend(vectors, contexts, mask_of([4, 4, 4], 4))
    newest = attend(vectors[:, 2:], contexts[:, 2:], mask_of([2, 2, 2], 2))
    np.testing.assert_allclose(
        whole[:, 2] / whole[:, 3], newest[:, 0] / newest[:, 1], 1e-4
    )


# covers: A18
@pytest.mark.parametrize("position_bias", [False, True])
def test_context_attention_reads_the_order_only_with_position_bias(position_bias):
    vectors, contexts = any_inputs()
    attend = evaluated(make_context_attention(position_bias=position_bias))
    is_real = mask_of([4, 4, 4], 4)
    forwards = attend(vectors, contexts, is_real)
    backwards = attend(vectors[:, ::-1], contexts[:, ::-1], is_real)[:, ::-1]
    assert np.allclose(forwards, backwards, 1e-4, 1e-6) != position_bias


def make_query_attention(*, transform=True):
    layer = QueryAttention(3, temperature=0.5, transform=transform)
    layer.build()
    scatter_weights(layer)
    return layer


# covers: A30
@pytest.mark.parametrize("transform", [False, True])
def test_query_attention_and_its_gradients_follow_the_definition(transform):
    layer = make_query_attention(transform=transform)
    vectors, queries = keras.Variable(VECTORS), keras.Variable(QUERIES)
    along = any_vectors(4, 4, seed=9)

    def reference(vectors, queries, *change):
        total = 0.0
        for row, n in enumerate(QUERY_LENGTHS[:3]):
            known = queries[row][IS_KNOWN[row]]
            probability = definitions.query_attention(
                vectors[row, :n], known, 0.5, *change
            )
            total += probability @ along[row, :n]
        return total

    assert_same_as(
        reference,
        lambda: ops.sum(
            layer(vectors.value, queries.value, QUERY_IS_REAL, IS_KNOWN) * along
        ),
        [vectors, queries, *layer.trainable_weights],
    )


# covers: A30
def test_query_attention_gives_padding_nothing():
    found = evaluated(make_query_attention())(VECTORS, QUERIES, QUERY_IS_REAL, IS_KNOWN)
    assert not found[~QUERY_IS_REAL].any()
    np.testing.assert_allclose(found.sum(axis=1), [1, 1, 1, 0], 1e-5)


# covers: A30
def test_query_attention_reads_the_lengths_of_item_vectors():
    attend = evaluated(make_query_attention())
    found = attend(VECTORS, QUERIES, QUERY_IS_REAL, IS_KNOWN)
    assert not np.allclose(attend(VECTORS * 2, QUERIES, QUERY_IS_REAL, IS_KNOWN), found)


# covers: A16
def test_co_action_and_its_gradients_follow_the_definition():
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


@pytest.mark.parametrize(
    "layer",
    [
        ContextAttention(3, max_length=4, position_bias=True),
        QueryAttention(3, temperature=0.5, transform=True),
        CoAction(3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_configuration_rebuilds_the_layer(layer):
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
