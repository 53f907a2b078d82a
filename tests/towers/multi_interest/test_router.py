import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import any_vectors, scatter_weights
from tests.towers.multi_interest import definitions
from two_tower.towers.multi_interest.router import ProtoRouter

pytestmark = pytest.mark.backend

VECTORS = any_vectors(2, 5, 3)
ALONG = any_vectors(2, 5, 4, seed=1)


def make_router(mode="soft", temperature=0.5):
    router = ProtoRouter(4, 3, temperature=temperature, mode=mode)
    router.build()
    scatter_weights(router)
    return router


def expected_of(vectors, prototypes, temperature=0.5):
    return np.array(
        [
            [definitions.routed(vector, prototypes, temperature) for vector in row]
            for row in vectors
        ]
    )


def gradients_of(router, vectors):
    """Return the gradients of a weighted sum of p in vectors and prototypes."""
    return value_and_gradients(
        lambda: ops.sum(router(vectors.value) * ALONG), [vectors, router.prototypes]
    )[1]


# covers: A20
def test_probabilities_and_gradients_follow_the_definition():
    router, vectors = make_router(), keras.Variable(VECTORS)
    assert_same_as(
        lambda *arrays: np.sum(expected_of(*arrays) * ALONG),
        lambda: ops.sum(router(vectors.value) * ALONG),
        [vectors, router.prototypes],
    )
    np.testing.assert_allclose(
        evaluated(router)(VECTORS),
        expected_of(VECTORS, np.float64(router.prototypes)),
        1e-5,
        1e-6,
    )


# covers: A20
def test_log_probabilities_are_finite():
    router = make_router()
    found = evaluated(router.log_probabilities)(VECTORS)
    expected = np.log(expected_of(VECTORS, np.float64(router.prototypes)))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)
    sharp = make_router(temperature=1e-3)
    found = evaluated(sharp.log_probabilities)(VECTORS)
    assert np.isfinite(found).all()
    assert found.min() < -150  # p itself is 0 in float32


# covers: A20
@pytest.mark.parametrize("mode", ["straight_through", "hard"])
def test_hard_routing_selects_the_most_probable_head(mode):
    router = make_router(mode)
    soft = expected_of(VECTORS, np.float64(router.prototypes))
    found = evaluated(router)(VECTORS)
    np.testing.assert_array_equal(found, np.eye(4)[soft.argmax(axis=-1)])


# covers: A20
def test_straight_through_has_the_gradient_of_soft_routing():
    vectors = keras.Variable(VECTORS)
    found = gradients_of(make_router("straight_through"), vectors)
    expected = gradients_of(make_router(), vectors)
    for one, other in zip(found, expected, strict=True):
        assert one.any()
        np.testing.assert_allclose(one, other, 1e-5, 1e-6)


# covers: A20
def test_hard_routing_has_no_gradient():
    router, vectors = make_router("hard"), keras.Variable(VECTORS)
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(router(vectors.value) * ALONG) + ops.sum(vectors.value),
        [vectors],
    )
    np.testing.assert_array_equal(gradient, 1)  # the gradient of the second sum
    assert not router.trainable_weights


# covers: A20
def test_a_single_interest_has_probability_one():
    router = ProtoRouter(1, 3, temperature=0.5, mode="soft")
    np.testing.assert_array_equal(evaluated(router)(VECTORS), 1)


# covers: A20
def test_the_length_of_vectors_does_not_matter():
    route = evaluated(make_router())
    np.testing.assert_allclose(route(VECTORS * 7), route(VECTORS), 1e-5, 1e-6)


# covers: A20
def test_unit_vectors_are_routed_without_normalisation():
    router = make_router()
    units = VECTORS / np.linalg.norm(VECTORS, axis=-1, keepdims=True)
    found = evaluated(lambda vectors: router(vectors, are_unit=True))(units)
    np.testing.assert_allclose(found, evaluated(router)(VECTORS), 1e-5, 1e-6)


# covers: A20
@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 5)])
def test_vectors_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"dimension 3 .* give it \[..., 3\]"):
        make_router()(any_vectors(*shape))


# covers: A20
@pytest.mark.parametrize("mode", ["straight_through", "hard"])
def test_hard_routing_has_no_log(mode):
    with pytest.raises(ValueError, match="use 'soft'"):
        make_router(mode).log_probabilities(VECTORS)


def test_the_configuration_rebuilds_the_router():
    config = make_router("straight_through").get_config()
    assert ProtoRouter.from_config(config).get_config() == config
