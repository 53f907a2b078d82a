import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import any_vectors, mask_of, scatter_weights
from tests.towers.definitions import unit
from tests.towers.multi_interest import definitions
from two_tower.towers.multi_interest.disentangle import Disentangler
from two_tower.towers.multi_interest.router import ProtoRouter

pytestmark = pytest.mark.backend

N_HEADS = 4
LENGTHS = [4, 2, 0]
IS_REAL = mask_of(LENGTHS, 4)
VECTORS = any_vectors(3, 4, 3)
UNITS = unit(VECTORS)
PROBABILITY = np.float32([[0.1, 0.2, 0.3, 0.4], [0.9, 0.1, 0, 0], [0, 0, 0, 0]])


def make_layer(*, prior=True, equalise=False, norm=None, mode="soft", n_prototypes=4):
    router = ProtoRouter(n_prototypes, 3, temperature=0.5, mode=mode)
    layer = Disentangler(
        N_HEADS, 3, router=router, prior=prior, equalise=equalise, norm=norm
    )
    layer.build()
    scatter_weights(layer)
    return layer


def heads_by_definition(layer, vectors, prototypes, weights, prior, norm):
    """Return the heads of the first two histories, `[2, H, D]`."""
    users = []
    for history, probability, n in zip(vectors, PROBABILITY, LENGTHS[:2], strict=False):
        routed = [definitions.routed(v, prototypes, 0.5) for v in history[:n]]
        heads = definitions.heads_of(
            history[:n],
            np.float64(probability[:n]),
            np.array(routed),
            weights,
            prior,
            equal=layer.equalise,
        )
        if norm:
            to_unit = layer.norm_kind == "unit"
            heads = [definitions.layer_norm(h, *norm, to_unit=to_unit) for h in heads]
        users.append(heads)
    return np.array(users)


# covers: A21, A22, A23, A24
@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("equalise", [False, True])
@pytest.mark.parametrize("norm", [None, "layer", "unit"])
def test_heads_and_gradients_follow_the_definition(prior, equalise, norm):
    layer = make_layer(prior=prior, equalise=equalise, norm=norm)
    maker = layer.maker
    vectors = keras.Variable(VECTORS)
    along = any_vectors(2, N_HEADS, 3, seed=1)
    variables = [layer.router.prototypes, *maker.inner.weights, *maker.outer.weights]
    variables += [maker.priors] if prior else []
    variables += [layer.norm.gain, layer.norm.shift] if norm else []

    def reference(vectors, prototypes, *weights):
        more = list(weights[4:])
        first = more.pop(0) if prior else None
        return np.sum(
            heads_by_definition(layer, vectors, prototypes, weights[:4], first, more)
            * along
        )

    def found():
        lengths = ops.sqrt(ops.sum(ops.square(vectors.value), axis=-1, keepdims=True))
        heads = layer(vectors.value / lengths, PROBABILITY, IS_REAL).heads
        return ops.sum(heads[:2] * along)

    assert_same_as(reference, found, [vectors, *variables])


# covers: A21
@pytest.mark.parametrize("mode", ["soft", "straight_through", "hard"])
def test_head_probabilities_sum_to_one_for_items_and_zero_for_padding(mode):
    layer = make_layer(mode=mode)
    found = evaluated(lambda *of: layer(*of).head_of_item)(UNITS, PROBABILITY, IS_REAL)
    np.testing.assert_allclose(found[IS_REAL].sum(axis=-1), 1, 1e-5)
    assert not found[~IS_REAL].any()


# covers: A21, A26
@pytest.mark.parametrize("mode", ["soft", "straight_through", "hard"])
@pytest.mark.parametrize("equalise", [False, True])
def test_the_mean_item_is_the_weighted_mean_of_the_history(mode, equalise):
    layer = make_layer(mode=mode, equalise=equalise)
    found = evaluated(lambda *of: layer(*of).mean_item)(UNITS, PROBABILITY, IS_REAL)
    expected = np.einsum("bt,btd->bd", np.float64(PROBABILITY), unit(VECTORS))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: A21
def test_padding_changes_no_head_and_gets_no_gradient():
    layer, units = make_layer(equalise=True), keras.Variable(UNITS)
    along = any_vectors(3, N_HEADS, 3, seed=1)
    total, (gradient,) = value_and_gradients(
        lambda: ops.sum(layer(units.value, PROBABILITY, IS_REAL).heads * along), [units]
    )
    assert not gradient[~IS_REAL].any()
    assert gradient[IS_REAL].any(axis=-1).all()
    units.assign(np.where(IS_REAL[..., None], UNITS, 7))
    changed, _ = value_and_gradients(
        lambda: ops.sum(layer(units.value, PROBABILITY, IS_REAL).heads * along), [units]
    )
    np.testing.assert_allclose(changed, total, 1e-5)


# covers: A22
def test_an_equalised_head_without_items_is_finite():
    layer = make_layer(equalise=True, prior=False, mode="hard")
    heads = evaluated(lambda *of: layer(*of).heads)(UNITS, PROBABILITY, IS_REAL)
    _, bias, outer, last = (np.float64(w) for w in layer.maker.get_weights())
    empty = np.tanh(bias) @ outer + last
    np.testing.assert_allclose(heads[2], np.tile(empty, (N_HEADS, 1)), 1e-5, 1e-6)


# covers: A22
def test_gradients_of_heads_with_hardly_any_mass_are_finite():
    layer, units = make_layer(equalise=True), keras.Variable(UNITS)
    layer.router.temperature = 0.005
    _, gradients = value_and_gradients(
        lambda: ops.sum(layer(units.value, PROBABILITY, IS_REAL).heads),
        [units, *layer.trainable_weights],
    )
    assert all(np.isfinite(gradient).all() for gradient in gradients)


# covers: A22, A25
def test_gradients_of_heads_without_items_are_of_order_one():
    layer = make_layer(equalise=True, mode="straight_through")
    inputs = [keras.Variable(UNITS), keras.Variable(PROBABILITY)]
    along = any_vectors(3, N_HEADS, 3, seed=1)

    def disentangle():
        return layer(*(one.value for one in inputs), IS_REAL)

    shares = np.asarray(disentangle().head_of_item)
    assert ((shares.sum(axis=1) == 0).sum(axis=1) >= [1, 2, 4]).all()
    _, gradients = value_and_gradients(
        lambda: ops.sum(disentangle().heads * along), [*inputs, layer.router.prototypes]
    )
    for gradient in gradients:
        assert 0 < np.abs(gradient).max() < 1e3


# covers: A23
def test_heads_without_items_differ_by_their_priors():
    def spread_of_empty(layer):
        heads = evaluated(lambda *of: layer(*of).heads)(UNITS, PROBABILITY, IS_REAL)
        return np.ptp(heads[2], axis=0).max()

    assert spread_of_empty(make_layer(prior=True)) > 0.1
    assert spread_of_empty(make_layer(prior=False)) == 0


# covers: A25
def test_a_router_can_be_shared_if_it_has_a_prototype_per_head():
    layer = make_layer()
    shared = Disentangler(
        N_HEADS, 3, router=layer.router, prior=True, equalise=False, norm=None
    )
    shared.build()
    assert shared.router is layer.router
    with pytest.raises(ValueError, match="3 prototypes for 4 heads"):
        make_layer(n_prototypes=3)


def test_the_configuration_rebuilds_the_layer():
    config = make_layer(norm="unit", mode="hard").get_config()
    assert Disentangler.from_config(config).get_config() == config
