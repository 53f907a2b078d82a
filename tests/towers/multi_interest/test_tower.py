from functools import cache

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from tests.gradients import assert_same_as, value_and_gradients
from tests.towers.build import any_vectors, mask_of
from tests.towers.definitions import unit
from tests.towers.multi_interest import definitions
from tests.towers.multi_interest.build import (
    DIMENSION,
    LENGTHS,
    N_HEADS,
    N_VECTORS,
    any_batch,
    compiled,
    make_tower,
)
from tests.towers.multi_interest.test_event_context import (
    keys_by_definition,
    queries_by_definition,
    tables_of,
)
from two_tower.towers.multi_interest.tower import Interests, MultiInterestUserTower
from two_tower.towers.vectors import to_unit_length

pytestmark = pytest.mark.backend

BATCH = any_batch()
IS_REAL = mask_of(LENGTHS, 5)
VECTORS, CATEGORIES = any_vectors(3, 5, DIMENSION), any_vectors(3, 5, DIMENSION, seed=8)
WIDE = any_batch([9, 9, 9], width=9, seed=1)

BY_QUERIES = {"attention": {"kind": "queries"}}
EACH_KIND = pytest.mark.parametrize("kind", ["context", "queries"])


def filler(name):
    """Return the padding value of a batch field."""
    return np.nan if name == "ratings" else 0


@cache
def call_shared(kind):
    """Return a shared tower as a function of a batch, vectors and categories."""
    return call_tower(make_tower(attention={"kind": kind}))


def call_tower(tower):
    """Return a tower as a function of a batch, vectors and categories.

    Its vectors are scaled to length 1, as scoring does.
    """

    def scored(*inputs):
        found = tower(*inputs)
        vectors = to_unit_length(ops.cast(found.vectors, "float32"))
        return found._replace(vectors=vectors)

    run = compiled(scored)
    return lambda *inputs: Interests(*run(*inputs))


def weights_of(tower):
    """Return the weights of a tower with context attention and priors."""
    co_action, attention = tower.co_action, tower.attention
    maker = tower.disentangler.maker
    return [
        *tables_of(tower.context),
        *co_action.of_key.weights,
        *co_action.of_query.weights,
        *attention.hidden.weights,
        *attention.logit.weights,
        tower.item_router.prototypes,
        *maker.inner.weights,
        *maker.outer.weights,
        maker.priors,
        *tower.aggregation.change.weights,
        tower.no_history,
    ]


def vectors_by_definition(batch, items, categories, *weights):
    """Return `[B, V, D]` vectors of the users."""
    tables, rest = weights[:6], list(weights[6:])
    take = lambda n: [rest.pop(0) for _ in range(n)]  # noqa: E731
    co_action, attention, (prototypes,) = take(4), take(4), take(1)
    maker, (prior,), change, (no_history,) = take(4), take(1), take(2), take(1)
    keys = keys_by_definition(batch, categories, *tables[:5])
    queries = queries_by_definition(batch, categories, *tables[2:])
    users, first = [], 0
    for row, n in enumerate(LENGTHS):
        history, heads, mean = items[row, :n], no_history, np.zeros(DIMENSION)
        if n:
            contexts = definitions.co_action(
                keys[first : first + n], queries[row].ravel(), *co_action
            )
            probability = definitions.context_attention(history, contexts, *attention)
            routed = [definitions.routed(item, prototypes, 0.5) for item in history]
            heads = definitions.heads_of(
                history, probability, np.array(routed), maker, prior, equal=False
            )
            mean = probability @ unit(history)
        query = mean + definitions.dense(mean, *change)
        groups = np.split(heads, N_VECTORS)
        users.append([definitions.summed_up(group, query) for group in groups])
        first += n
    return np.array(users)


# covers: A9, A13, A16, A17, A21, A24, A26, A27, A32
def test_vectors_and_gradients_follow_the_definition():
    tower = make_tower()
    vectors, categories = keras.Variable(VECTORS), keras.Variable(CATEGORIES)
    along = any_vectors(3, N_VECTORS, DIMENSION, seed=1)
    variables = weights_of(tower)
    # The objective alone reads the router of categories.
    n_trained = len(tower.trainable_weights) - len(tower.category_router.weights)
    assert len(variables) == n_trained

    def reference(items, categories, *weights):
        return np.sum(vectors_by_definition(BATCH, items, categories, *weights) * along)

    assert_same_as(
        reference,
        lambda: ops.sum(tower(BATCH, vectors.value, categories.value).vectors * along),
        [vectors, categories, *variables],
    )


# covers: A32
@pytest.mark.parametrize(
    "options",
    [
        {"n_vectors": 1},
        {"n_vectors": 4},
        {"n_vectors": 1, "aggregation": {"query": "heads", "temperature": 0.5}},
        {"aggregation": {"query": "heads", "transform": False}},
        {"attention": {"position_bias": True}},
        BY_QUERIES,
        {"events": {"user_id": [{"buckets": 5, "dimension": 2}]}, **BY_QUERIES},
        {"heads": {"routing": "straight_through", "equalise": True}},
        {"heads": {"routing": "hard", "norm": "unit", "prior": False}},
    ],
)
def test_interests_of_every_option_have_their_shapes_and_sums(options):
    tower = make_tower(**options)
    found = call_tower(tower)(BATCH, VECTORS, CATEGORIES)
    assert found.vectors.shape == (3, tower.n_vectors, DIMENSION)
    assert found.heads.shape == (3, N_HEADS, DIMENSION)
    assert {part.dtype for part in found} == {np.dtype("float32")}
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=-1), 1, 1e-5)
    np.testing.assert_allclose(found.item_probability.sum(axis=1), [1, 1, 0], 1e-5)
    np.testing.assert_allclose(found.head_of_item.sum(axis=-1), IS_REAL, 1e-5)
    copy = MultiInterestUserTower.from_config(tower.get_config())
    assert copy.get_config() == tower.get_config()


# covers: A17, A30, Q10
@EACH_KIND
def test_wider_padding_changes_nothing(kind):
    wide = {
        name: np.pad(
            values, [(0, 0), (0, 3)][: values.ndim], constant_values=filler(name)
        )
        for name, values in BATCH.items()
    }
    wider = [
        np.pad(part, ((0, 0), (0, 3), (0, 0)), constant_values=1e3)
        for part in (VECTORS, CATEGORIES)
    ]
    found = call_shared(kind)(wide, *wider)
    expected = call_shared(kind)(BATCH, VECTORS, CATEGORIES)
    np.testing.assert_allclose(found.vectors, expected.vectors, 1e-5, 1e-6)
    np.testing.assert_allclose(found.heads, expected.heads, 1e-5, 1e-6)
    for name in ("item_probability", "head_of_item"):
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(one[:, :5], other, 1e-5, 1e-6)
        assert not one[:, 5:].any()


# covers: A17, A30, Q4
@EACH_KIND
def test_padding_gets_no_gradient(kind):
    tower = make_tower(attention={"kind": kind, "position_bias": kind == "context"})
    vectors, categories = keras.Variable(VECTORS), keras.Variable(CATEGORIES)
    _, gradients = value_and_gradients(
        lambda: ops.sum(tower(BATCH, vectors.value, categories.value).vectors[..., 0]),
        [vectors, categories],
    )
    for gradient in gradients:
        assert gradient[IS_REAL].any()
        assert not gradient[~IS_REAL].any()


# covers: A32
@EACH_KIND
@settings(max_examples=10)
@given(st.integers(0, 2**16))
def test_other_users_of_the_batch_do_not_matter(kind, seed):
    others = {name: values.copy() for name, values in BATCH.items()}
    sampled = any_batch(seed=seed)
    for name, values in others.items():
        values[0] = sampled[name][0]
    vectors, categories = VECTORS.copy(), CATEGORIES.copy()
    vectors[0], categories[0] = any_vectors(2, 5, DIMENSION, seed=seed)
    found = call_shared(kind)(others, vectors, categories).vectors
    expected = call_shared(kind)(BATCH, VECTORS, CATEGORIES).vectors
    np.testing.assert_allclose(found[1:], expected[1:], 1e-5, 1e-6)
    assert not np.allclose(found[0], expected[0])


@cache
def call_without_positions():
    tower = make_tower()
    tower.context.position_logits.assign(np.zeros(tower.max_length))
    return call_tower(tower)


# covers: A18
@settings(max_examples=10)
@given(st.permutations(range(5)))
def test_without_positions_a_history_is_a_set(order):
    # Row 0 has five events in any order; all positions weigh the same.
    order = np.array(order)
    shuffled = {
        name: np.concatenate([values[:1, order], values[1:]])
        if values.ndim > 1
        else values
        for name, values in BATCH.items()
    }
    inputs = [
        np.concatenate([part[:1, order], part[1:]]) for part in (VECTORS, CATEGORIES)
    ]
    found = call_without_positions()(shuffled, *inputs)
    expected = call_without_positions()(BATCH, VECTORS, CATEGORIES)
    np.testing.assert_allclose(found.vectors, expected.vectors, 1e-4, 1e-6)
    np.testing.assert_allclose(
        found.item_probability[0], expected.item_probability[0, order], 1e-4, 1e-6
    )


# covers: A32, Q5
@EACH_KIND
@pytest.mark.parametrize("prior", [False, True])
def test_users_without_a_history_have_learned_vectors(kind, prior):
    tower = make_tower(attention={"kind": kind}, heads={"prior": prior})
    vectors, (slope,) = value_and_gradients(
        lambda: ops.sum(tower(BATCH, VECTORS, CATEGORIES).vectors[2, :, 0]),
        [tower.no_history],
    )
    assert np.isfinite(vectors)
    assert slope.any(axis=1).all()
    found = call_tower(tower)(BATCH, VECTORS, CATEGORIES)
    np.testing.assert_array_equal(found.heads[2], tower.no_history)
    np.testing.assert_allclose(np.linalg.norm(found.vectors[2], axis=-1), 1, 1e-5)


# covers: A18
def test_histories_may_be_longer_than_there_are_positions():
    tower = make_tower(attention={"position_bias": True})
    assert tower.max_length < 9
    inputs = any_vectors(2, 3, 9, DIMENSION)
    assert np.isfinite(call_tower(tower)(WIDE, *inputs).vectors).all()


# covers: A25
def test_items_and_categories_have_routers_of_their_own():
    tower = make_tower(heads={"routing": "hard"})
    assert tower.item_router.mode == "hard"
    assert tower.category_router.mode == "soft"
    assert tower.category_router is not tower.item_router
    routers = (tower.item_router, tower.category_router)
    assert [router.n_prototypes for router in routers] == [N_HEADS, N_HEADS]
    assert [router.temperature for router in routers] == [0.5, 0.3]
    # Hard routing has no gradient, so its prototypes are not trainable.
    assert [len(router.trainable_weights) for router in routers] == [0, 1]


def test_half_precision_is_near_and_keeps_probabilities_in_float32():
    found = call_tower(make_tower(dtype="mixed_bfloat16"))(BATCH, VECTORS, CATEGORIES)
    expected = call_shared("context")(BATCH, VECTORS, CATEGORIES)
    assert found.vectors.dtype == found.item_probability.dtype == np.float32
    np.testing.assert_allclose(found.item_probability.sum(axis=1), [1, 1, 0], 1e-5)
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=0.05)


def test_a_tower_from_its_configuration_with_its_weights_is_the_same():
    tower = make_tower(
        events={"user_id": [{"buckets": 5, "dimension": 2}]}, heads={"norm": "layer"}
    )
    config = keras.saving.serialize_keras_object(tower)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(tower.get_weights())
    found = call_tower(copy)(BATCH, VECTORS, CATEGORIES)
    expected = call_tower(tower)(BATCH, VECTORS, CATEGORIES)
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    assert copy.request_time
    assert copy.category == ["genre"]
    assert copy.reads_events
