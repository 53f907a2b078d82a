import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import scatter_weights
from two_tower.towers.features import Feature, FeatureEmbedding, layer_name

pytestmark = pytest.mark.backend

GENRES = Feature("multi_valued", size=5, width=3)
# Models saved earlier name multi-valued features of words so.
WORDS = Feature("words", size=6, width=2)
YEAR = Feature("categorical", size=4, width=1)
RUNTIME = Feature("dense", size=1, width=1)

EACH = pytest.mark.parametrize(
    "feature", [GENRES, WORDS, YEAR, RUNTIME], ids=lambda feature: feature.kind
)


def embed(feature, values):
    """Return a scattered embedding of a feature whose entities have these values."""
    layer = FeatureEmbedding(len(values), feature, 3, scale=0.1, l2=0.0)
    layer.build()
    scatter_weights(layer)
    layer.set_values(np.array(values))
    return layer


def vectors_of(layer):
    """Return the function of entities → the vectors of their stored values."""
    return evaluated(lambda ids: layer(layer.values_of(ids)))


# covers: L6, L7
def test_a_categorical_value_has_the_row_of_its_id():
    layer = embed(YEAR, [[0], [0], [2], [3], [1]])
    found = vectors_of(layer)(np.array([3, 2, 4]))
    expected = np.asarray(layer.table.value)[[3, 2, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# covers: L6, N6
@pytest.mark.parametrize("feature", [GENRES, WORDS, YEAR])
def test_values_out_of_vocabulary_share_a_trained_row(feature):
    layer = embed(feature, np.ones((2, feature.width), int))
    np.testing.assert_allclose(
        vectors_of(layer)(np.array([1])), np.asarray(layer.table.value)[1:2], 1e-6
    )
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(layer(np.array([[1]]))), [layer.table]
    )
    assert np.flatnonzero(gradient.any(axis=1)).tolist() == [1]


@pytest.mark.parametrize("feature", [GENRES, WORDS])
def test_several_values_have_the_mean_of_their_rows(feature):
    empty = [0] * feature.width
    layer = embed(feature, [[2, 4, *empty][: feature.width], [3, *empty[1:]]])
    table = np.float64(layer.table.value)
    found = vectors_of(layer)(np.array([0, 1]))
    np.testing.assert_allclose(found[0], (table[2] + table[4]) / 2, 1e-5, 1e-6)
    np.testing.assert_allclose(found[1], table[3], 1e-5, 1e-6)


# covers: L7
def test_a_number_scales_the_vector_of_its_feature():
    layer = embed(RUNTIME, [[0.0], [-1.5], [2.0]])
    vector = np.asarray(layer.table.value)[0]
    found = vectors_of(layer)(np.array([1, 2]))
    np.testing.assert_allclose(found, [-1.5 * vector, 2 * vector], rtol=1e-6)


@EACH
def test_a_missing_value_has_a_zero_vector_and_no_gradient(feature):
    layer = embed(feature, np.zeros((3, feature.width)))
    value, (gradient,) = value_and_gradients(
        lambda: ops.sum(layer(layer.values_of(np.array([0, 2])))), [layer.table]
    )
    assert value == 0
    assert not gradient.any()


@EACH
def test_indices_may_have_any_shape(feature):
    values = np.arange(4 * feature.width).reshape(4, -1) % 4
    call = vectors_of(embed(feature, values))
    flat = call(np.array([3, 1, 0, 2, 1, 1]))
    found = call(np.array([[3, 1, 0], [2, 1, 1]]))
    np.testing.assert_allclose(found, np.reshape(flat, (2, 3, 3)), rtol=1e-6)


@EACH
def test_gradients_follow_the_definition(feature):
    values = np.array([[0, 0, 0], [2, 0, 3], [3, 1, 0], [1, 1, 2]])[:, : feature.width]
    layer = embed(feature, values)
    ids, direction = np.array([1, 2, 1, 3]), np.arange(12.0).reshape(4, 3) / 10

    def vector(table, entity):
        if feature.kind == "dense":
            return values[entity] * table[0]
        rows = [table[value] for value in values[entity] if value]
        return sum(rows) / max(len(rows), 1)

    assert_same_as(
        lambda table: np.sum([vector(table, i) for i in ids] * direction),
        lambda: ops.sum(layer(layer.values_of(ids)) * direction),
        [layer.table],
    )


def test_values_are_stored_but_not_trained():
    layer = embed(RUNTIME, [[0.0], [1.0]])
    assert [weight.name for weight in layer.trainable_weights] == ["table"]
    assert [weight.name for weight in layer.non_trainable_weights] == ["values"]


def test_values_of_another_shape_are_refused():
    layer = embed(GENRES, [[0, 0, 0], [2, 3, 0]])
    with pytest.raises(ValueError, match="shape"):
        layer.set_values(np.zeros((2, 4)))


def test_the_configuration_rebuilds_the_layer():
    layer = FeatureEmbedding(7, GENRES, 3, scale=0.1, l2=0.5, name="genres")
    copy = FeatureEmbedding.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.feature == GENRES


def test_a_feature_of_any_name_has_a_layer_that_both_back_ends_take():
    names = ["price (CHF)", "größe", "a/b", "a_2fb", "a.b", "x" * 300, "_", "-", "9"]
    assert len({layer_name(name) for name in names}) == len(names)
    for name in names:
        layer = FeatureEmbedding(2, YEAR, 3, scale=0.1, l2=0.0, name=layer_name(name))
        layer.build()
        assert vectors_of(layer)(np.array([1])).shape == (1, 3)


def test_a_plain_name_is_that_of_its_layer():
    assert layer_name("title_words") == "title_words"
