"""The two-tower model with user profiles, alone and beside histories."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import (
    DIMENSION,
    EACH_TOWER,
    MAX_LENGTH,
    N_ITEMS,
    N_USERS,
    PROFILE_WIDTH,
    USER_FEATURES,
    USERS,
    make_encoder,
    make_profile_towers,
    new_item_tower,
    pad,
    scatter_averages,
)
from tests.towers.definitions import feature_vector, mean_user, mlp, unit
from two_tower.towers.two_tower import TwoTower

pytestmark = pytest.mark.backend

HISTORIES = [[3, 5, 2, 8], [4], [], [7, 7, 3, 2, 6, 5, 8, 4]]
WHO = np.array([3, 5, 2, 6], np.int32)
DIRECTION = np.linspace(-1, 1, 16).reshape(4, DIMENSION)

EACH_MODEL = pytest.mark.parametrize("kind", [None, "mean", "transformer"])


def whole_batch():
    return pad(HISTORIES) | {"users": WHO}


def queries_of(towers, batch, **options):
    """Return the query vectors of a batch of users."""
    names = list(batch)
    call = evaluated(
        lambda *arrays: towers(dict(zip(names, arrays, strict=True)), **options)
    )
    return call(*batch.values())


def profile_parts(gender, age, ids, user):
    features = zip(USER_FEATURES.items(), (gender, age), strict=True)
    parts = [feature_vector(f, table, USERS[n][user]) for (n, f), table in features]
    return [*parts, ids[user]]


def profile_tables(towers):
    tables = [feature.table for feature in towers.profile.features.values()]
    return [*tables, towers.profile.table]


def dense_weights(layers):
    return [weight for layer in layers for weight in (layer.kernel, layer.bias)]


# covers: L8, L12
@pytest.mark.parametrize("normalise", [True, False])
def test_a_profile_alone_is_the_query(normalise):
    towers = make_profile_towers(None, normalise=normalise)
    layers = dense_weights(
        [*towers.profile.mlp.hidden, towers.profile.mlp.output_layer]
    )

    def reference(*weights):
        tables, layers = weights[:3], weights[3:]
        rows = np.array([np.concatenate(profile_parts(*tables, u)) for u in WHO])
        vectors = mlp(rows, layers)
        return np.sum((unit(vectors) if normalise else vectors) * DIRECTION)

    assert_same_as(
        reference,
        lambda: ops.sum(towers({"users": WHO}) * DIRECTION),
        [*profile_tables(towers), *layers],
    )


# covers: L8, L12
@pytest.mark.parametrize("normalise", [True, False])
def test_history_and_profile_are_fused_into_the_query(normalise):
    towers = make_profile_towers(normalise=normalise)
    encoder, fusion = towers.history_encoder, towers.fusion
    of_history = dense_weights([*encoder.hidden, encoder.output_layer])
    of_fusion = dense_weights([*fusion.hidden, fusion.output_layer])

    def reference(items, no_history, gender, age, ids, *layers):
        of_encoder, of_fusion = layers[:6], layers[6:]
        states = [
            mean_user(items[h], of_encoder) if h else no_history for h in HISTORIES
        ]
        profiles = [sum(profile_parts(gender, age, ids, user)) for user in WHO]
        vectors = mlp(np.concatenate([states, profiles], axis=1), of_fusion)
        return np.sum((unit(vectors) if normalise else vectors) * DIRECTION)

    tables = [towers.item_tower.table, towers.no_history, *profile_tables(towers)]
    assert_same_as(
        reference,
        lambda: ops.sum(towers(whole_batch()) * DIRECTION),
        [*tables, *of_history, *of_fusion],
    )


# covers: L12
def test_item_vectors_keep_their_length_without_normalise():
    towers = make_profile_towers(None, normalise=False)
    found = evaluated(towers.item_vectors)(np.arange(2, N_ITEMS))
    table = np.asarray(towers.item_tower.table.value)[2:]
    np.testing.assert_array_equal(found, table)


@pytest.mark.parametrize("kind", [None, "mean"])
def test_queries_share_the_profile_of_their_row(kind):
    towers, batch = make_profile_towers(kind), whole_batch()
    rows = np.array([0, 3, 0, 2], np.int32)
    positions = np.array([2, 3 * MAX_LENGTH + 1, 0, 4 * MAX_LENGTH], np.int32)
    queried = {"positions": positions, "users": WHO, "rows": rows}
    found = evaluated(lambda items: towers.queries({"items": items} | queried))(
        batch["items"]
    )
    cut = [HISTORIES[0][:3], HISTORIES[3][:2], HISTORIES[0][:1], []]
    expected = queries_of(towers, pad(cut) | {"users": WHO[rows]})
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


@EACH_TOWER
def test_history_items_are_looked_up_in_a_given_catalogue(kind):
    towers = make_profile_towers(kind)
    batch = whole_batch() | {"positions": np.array([3, 8, 32, 31], np.int32)}
    expected = queries_of(towers, whole_batch())

    def looked_up(items):
        catalogue = towers.item_tower(np.arange(N_ITEMS))
        return towers.queries(batch | {"items": items}, catalogue=catalogue)

    found = evaluated(looked_up)(batch["items"])
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


@EACH_MODEL
def test_unknown_users_have_equal_vectors(kind):
    towers = make_profile_towers(kind)
    same = pad([[3, 5]] * 4) | {"users": np.array([0, 1, 0, 1], np.int32)}
    towers.profile.set_trained(np.arange(N_USERS) != 4)
    found = queries_of(towers, same)
    np.testing.assert_allclose(found, np.tile(found[:1], (4, 1)), 1e-6)


# covers: X11, L30
@EACH_MODEL
def test_a_new_user_is_embedded_from_given_values(kind):
    towers, known = make_profile_towers(kind), np.arange(N_USERS) != WHO[1]
    towers.profile.set_trained(known)
    of_stored = queries_of(towers, pad([[3]]) | {"users": WHO[1:2]})
    given = {name: values[WHO[1:2]] for name, values in USERS.items()}

    def of_given(items, lengths, users, gender, age):
        values = {"gender": gender, "age": age}
        return towers(
            {"items": items, "lengths": lengths, "users": users, "values": values}
        )

    nobody = pad([[3]]) | {"users": np.ones(1, np.int32)}
    found = evaluated(of_given)(*nobody.values(), *given.values())
    np.testing.assert_allclose(found, of_stored, 1e-5, 1e-6)
    without = queries_of(towers, nobody)
    assert np.abs(found - without).max() > 1e-3


@EACH_MODEL
def test_all_weights_learn_together(kind):
    towers = make_profile_towers(kind, batch_norm=True)

    def score():
        queries = towers(whole_batch(), training=True)
        return ops.sum(queries * towers.item_vectors(np.array([2, 3, 4, 5])))

    weights = towers.trainable_weights
    _, gradients = value_and_gradients(score, weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient.any(), weight.path


# covers: L10
def test_padding_is_excluded_from_the_statistics_of_the_fusion():
    towers = make_profile_towers(batch_norm=True)
    rows = np.array([0, 1, 3, 0, 0], np.int32)
    padded = pad(HISTORIES) | {
        "users": WHO,
        "positions": np.array([3, 8, 31, 0, 0], np.int32),
        "rows": rows,
        "weights": np.array([1, 2, 1, 0, 0], np.float32),
    }
    alone = padded | {n: padded[n][:3] for n in ("positions", "rows", "weights")}
    train = partial(towers.queries, training=True)
    found = evaluated(lambda items: train(padded | {"items": items}))(padded["items"])
    expected = evaluated(lambda items: train(alone | {"items": items}))(alone["items"])
    np.testing.assert_allclose(found[:3], expected, 1e-5, 1e-5)


def test_half_precision_gives_float32_vectors_near_the_exact_ones():
    exact = queries_of(make_profile_towers(), whole_batch())
    found = queries_of(make_profile_towers(dtype="mixed_bfloat16"), whole_batch())
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found, exact, atol=0.05)


def sides(**given):
    """Return the arguments of a model of history and profile, changed by `given`."""
    towers = make_profile_towers()
    fusion = {"hidden_units": [], "batch_norm": False, "dropout": 0.0, "seed": 1}
    return {
        "history_encoder": make_encoder("mean"),
        "profile": towers.profile,
        "fusion": fusion,
        "normalise": True,
    } | given


def test_a_fusion_may_be_one_linear_layer():
    towers = TwoTower(new_item_tower(), **sides())
    towers.build()
    (kernel, bias) = towers.fusion.weights
    assert kernel.shape == (DIMENSION + PROFILE_WIDTH, DIMENSION)
    assert bias.shape == (DIMENSION,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"history_encoder": None, "profile": None}, "neither a history_encoder nor"),
        ({"fusion": None}, "fusion is None; fusion joins"),
        ({"profile": None}, r"\['history_encoder'\] and fusion is {"),
        ({"history_encoder": None, "fusion": None}, "width 3 for items of width 4"),
    ],
)
def test_an_incomplete_query_side_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        TwoTower(new_item_tower(), **sides(**given))


@EACH_MODEL
def test_the_model_has_a_dimension_and_a_longest_history(kind):
    towers = make_profile_towers(kind)
    assert towers.dimension == DIMENSION
    assert towers.max_length == (MAX_LENGTH if kind else 0)


# covers: L27
def test_the_parameters_are_counted():
    towers = make_profile_towers(None)
    items, users = N_ITEMS * DIMENSION, (4 + 1 + N_USERS) * PROFILE_WIDTH
    layers = (3 * PROFILE_WIDTH + 1) * 5 + (5 + 1) * DIMENSION
    trained = sum(int(np.prod(weight.shape)) for weight in towers.trainable_weights)
    assert trained == items + users + layers
    stored = N_ITEMS + 3 * N_USERS  # id rows and feature values
    assert towers.count_params() == trained + stored


# covers: L27, X12
@EACH_MODEL
def test_one_seed_makes_the_same_model(kind):
    config, made = make_profile_towers(kind).get_config(), []
    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        weights = TwoTower.from_config(config).get_weights()
        made.append(np.concatenate([weight.ravel() for weight in weights]))
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()


@EACH_MODEL
def test_the_configuration_rebuilds_the_model(kind):
    towers = make_profile_towers(kind, normalise=False, batch_norm=True, dropout=0.2)
    config = towers.get_config()
    copy = TwoTower.from_config(config)
    assert config == towers.get_config(), "from_config changed what it was given"
    assert copy.get_config() == config
    copy.set_weights(towers.get_weights())
    found = queries_of(copy, whole_batch())
    np.testing.assert_array_equal(found, queries_of(towers, whole_batch()))


# covers: L28
@EACH_MODEL
@pytest.mark.parametrize("normalise", [True, False])
def test_a_saved_model_answers_the_same(kind, normalise, tmp_path):
    towers = make_profile_towers(kind, normalise=normalise, batch_norm=True, l2=0.1)
    scatter_averages(towers)
    towers.profile.set_trained(np.arange(N_USERS) != 3)
    towers.save(tmp_path / "towers.keras")
    loaded = keras.saving.load_model(tmp_path / "towers.keras", compile=False)
    found = queries_of(loaded, whole_batch())
    np.testing.assert_array_equal(found, queries_of(towers, whole_batch()))
    ids = np.arange(N_ITEMS)
    np.testing.assert_array_equal(
        evaluated(loaded.item_vectors)(ids), evaluated(towers.item_vectors)(ids)
    )
