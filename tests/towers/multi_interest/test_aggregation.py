import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated
from tests.towers.build import any_vectors, scatter_weights
from tests.towers.multi_interest import definitions
from two_tower.towers.multi_interest.aggregation import HeadAggregation, aggregate

pytestmark = pytest.mark.backend

N_HEADS = 4


def make_layer(n_vectors=2, query="items", **changes):
    options = {"transform": True, "temperature": None, "last_layer": False} | changes
    layer = HeadAggregation(N_HEADS, n_vectors, 3, query=query, **options)
    layer.build()
    scatter_weights(layer)
    return layer


def vectors_by_definition(layer, heads, mean, change):
    """Return one user's vectors `[V, D]`."""
    groups, vectors = np.split(heads, layer.n_vectors), []
    for v, group in enumerate(groups):
        query = mean if layer.query == "items" else group.mean(axis=0)
        if change:
            own = change[0].ndim > 2  # weights per group
            query = query + definitions.dense(
                query, *(w[v] if own else w for w in change)
            )
        vectors.append(definitions.summed_up(group, query, layer.temperature or 1.0))
    return np.array(vectors)


# covers: A29
@pytest.mark.parametrize("n_vectors", [1, 2])
def test_each_vector_may_have_a_last_layer_of_its_own(n_vectors):
    layer = make_layer(n_vectors, last_layer=True)
    heads, mean = any_vectors(1, N_HEADS, 3), any_vectors(1, 3, seed=1)
    *change, kernels, biases = (np.asarray(weight) for weight in layer.weights)
    made = vectors_by_definition(layer, heads[0], mean[0], change)
    expected = [y + y @ kernels[v] + biases[v] for v, y in enumerate(made)]
    found = evaluated(layer)(heads, mean)[0]
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: A26, A27, A28
@pytest.mark.parametrize("n_vectors", [1, 2, 4])
@pytest.mark.parametrize("query", ["items", "heads"])
@pytest.mark.parametrize(("transform", "temperature"), [(True, None), (False, 0.3)])
def test_vectors_and_gradients_follow_the_definition(
    n_vectors, query, transform, temperature
):
    layer = make_layer(n_vectors, query, transform=transform, temperature=temperature)
    heads = keras.Variable(any_vectors(2, N_HEADS, 3))
    mean = keras.Variable(any_vectors(2, 3, seed=1))
    along = any_vectors(2, n_vectors, 3, seed=2)

    def reference(heads, means, *change):
        rows = [
            vectors_by_definition(layer, *row, change)
            for row in zip(heads, means, strict=True)
        ]
        return np.sum(along * rows) + np.sum(means)

    assert_same_as(
        reference,
        lambda: (
            ops.sum(layer(heads.value, mean.value) * along) + ops.sum(mean.value)
        ),  # so that a mean that is not read has a gradient too
        [heads, mean, *layer.trainable_weights],
    )


# covers: A27
def test_vectors_of_one_head_each_need_no_weights():
    assert make_layer(N_HEADS, "items").weights == []


# covers: A29
@pytest.mark.parametrize(
    ("n_vectors", "query", "shape"),
    [(2, "items", (3, 3)), (1, "heads", (3, 3)), (2, "heads", (2, 3, 3))],
)
def test_queries_of_each_group_have_a_transform_of_their_own(n_vectors, query, shape):
    assert tuple(make_layer(n_vectors, query).change.kernel.shape) == shape


# covers: A27
@pytest.mark.parametrize("n_vectors", [0, 3, 8])
def test_the_number_of_vectors_must_divide_the_heads(n_vectors):
    with pytest.raises(ValueError, match=f"4 heads don't make {n_vectors} vectors"):
        make_layer(n_vectors)


# covers: A27, A28
def test_half_precision_rounds_the_result_only():
    heads = np.float32([[[[17, 3], [16, 9], [1, 2]]]])  # exact in bfloat16
    queries = np.float32([[[15, 1]]])  # but 17·15 + 3 and 16·15 + 9 are not
    made = aggregate(ops.cast(heads, "bfloat16"), ops.cast(queries, "bfloat16"), 10.0)
    assert keras.backend.standardize_dtype(made.dtype) == "bfloat16"
    expected = definitions.summed_up(np.float64(heads[0, 0]), queries[0, 0], 10.0)
    found = np.asarray(ops.cast(made, "float32"))[0, 0]
    np.testing.assert_allclose(found, expected, 2**-8)


def test_the_configuration_rebuilds_the_layer():
    config = make_layer(temperature=0.5).get_config()
    assert HeadAggregation.from_config(config).get_config() == config
