from functools import partial

import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import DIMENSION, N_ITEMS, make_item_tower, new_item_tower
from tests.towers.definitions import feature_vector, mlp
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.features import Feature

pytestmark = pytest.mark.backend

OUT_OF_VOCABULARY = 1  # by definition, not the constant under test

FEATURES = {
    "genres": Feature("multi_valued", size=4, width=2),
    "year": Feature("dense", size=1, width=1),
}
GENRES = np.array([[0, 0], [0, 0], [2, 3], [3, 0], [1, 2], *[[2, 0]] * 4])
YEAR = np.linspace(-1, 1, N_ITEMS, dtype=np.float32)[:, None]


def content_tower(**options):
    tower = make_item_tower(FEATURES, **options)
    tower.set_features({"genres": GENRES, "year": YEAR})
    return tower


def content(genres, year, ids):
    """Return the sum of the items' feature vectors by definition."""
    real = [[genres[g] for g in GENRES[i] if g] for i in ids]
    means = [sum(rows) / max(len(rows), 1) for rows in real]
    return np.array([m + YEAR[i] * year[0] for m, i in zip(means, ids, strict=True)])


# covers: Q1, Q7
def test_an_item_is_the_sum_of_its_id_and_features():
    tower = content_tower()
    ids, direction = np.array([4, 2, 4, 3]), np.linspace(-1, 1, 16).reshape(4, 4)
    weights = [
        tower.table,
        tower.features["genres"].table,
        tower.features["year"].table,
    ]
    assert_same_as(
        lambda table, genres, year: np.sum(
            (table[ids] + content(genres, year, ids)) * direction
        ),
        lambda: ops.sum(tower(ids) * direction),
        weights,
    )


# covers: Q1
def test_rows_have_one_gradient_for_each_time_they_are_read():
    tower = make_item_tower()
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(tower(np.array([[5, 2], [5, 5]]))), [tower.table]
    )
    assert gradient[:, 0].tolist() == [0, 0, 1, 0, 0, 3, 0, 0, 0]


def test_an_item_without_an_id_is_its_content():
    tower = content_tower(use_id=False)
    assert len(tower.trainable_weights) == 2
    genres, year = (np.float64(f.table.value) for f in tower.features.values())
    ids = np.array([2, 3, 4])
    found = evaluated(tower)(ids)
    np.testing.assert_allclose(found, content(genres, year, ids), 1e-5, 1e-6)


def test_an_item_without_features_is_its_id():
    tower = make_item_tower()
    table = np.asarray(tower.table.value)
    np.testing.assert_array_equal(tower(np.array([3, 8])), table[[3, 8]])


def test_a_tower_without_ids_and_features_is_refused():
    with pytest.raises(ValueError, match=r"use_id.*features"):
        make_item_tower(use_id=False)


def test_items_with_dropped_ids_keep_their_content():
    tower, ids = content_tower(id_dropout=0.3), np.full(2000, 4)
    found = evaluated(partial(tower, training=True))(ids)
    genres, year = (np.float64(f.table.value) for f in tower.features.values())
    table = np.asarray(tower.table.value)
    kept, unknown = content(genres, year, [4]) + table[[[4], [OUT_OF_VOCABULARY]]]
    is_dropped = np.isclose(found, unknown, atol=1e-5).all(axis=1)
    assert (is_dropped | np.isclose(found, kept, atol=1e-5).all(axis=1)).all()
    # Four standard deviations of a share of 0.3 among 2,000.
    assert is_dropped.mean() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 2000) ** 0.5)


def test_ids_are_dropped_only_in_training():
    tower, ids = content_tower(id_dropout=0.9), np.arange(N_ITEMS)
    expected = evaluated(content_tower())(ids)
    np.testing.assert_array_equal(evaluated(tower)(ids), expected)
    found = evaluated(partial(tower, training=False))(ids)
    np.testing.assert_array_equal(found, expected)


def test_an_id_dropout_of_zero_drops_none():
    tower, ids = content_tower(), np.arange(N_ITEMS)
    found = evaluated(partial(tower, training=True))(ids)
    np.testing.assert_array_equal(found, evaluated(tower)(ids))


def test_the_out_of_vocabulary_row_learns_from_dropped_ids():
    tower = make_item_tower(id_dropout=0.5)
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(tower(np.full(100, 4), training=True)), [tower.table]
    )
    learnt = gradient[:, 0]
    assert learnt[OUT_OF_VOCABULARY] > 0
    assert learnt[OUT_OF_VOCABULARY] + learnt[4] == 100
    assert not np.delete(learnt, [OUT_OF_VOCABULARY, 4]).any()


# covers: X12
def test_each_step_drops_other_ids_which_the_seed_repeats():
    ids = np.full(50, 4)
    first, second = (make_item_tower(id_dropout=0.5, seed=s) for s in (3, 3))
    steps = [np.asarray(first(ids, training=True)) for _ in range(2)]
    assert (steps[0] != steps[1]).any()
    for step in steps:
        np.testing.assert_array_equal(second(ids, training=True), step)


def test_the_configuration_rebuilds_the_tower():
    tower = content_tower(id_dropout=0.25)
    copy = EntityTower.from_config(tower.get_config())
    assert copy.get_config() == tower.get_config()
    copy.build()
    copy.set_weights(tower.get_weights())
    ids = np.arange(N_ITEMS)
    found = evaluated(copy)(ids)
    assert found.shape == (N_ITEMS, DIMENSION)
    np.testing.assert_array_equal(found, evaluated(tower)(ids))


# An id, three kinds of features and a hidden layer.
ALL = {
    "country": Feature("categorical", size=4, width=1),
    "genres": Feature("multi_valued", size=4, width=2),
    "year": Feature("dense", size=1, width=1),
}
VALUES = {
    "country": np.array([0, 0, 2, 3, 1, 0, 2, 2, 3])[:, None],
    "genres": GENRES,
    "year": YEAR,
}
MLP = {"hidden_units": [5], "batch_norm": False, "dropout": 0.0}
IDS, DIRECTION = np.array([4, 2, 4, 3]), np.linspace(-1, 1, 16).reshape(4, 4)


def whole_tower(combine="concat", mlp=MLP, **options):
    """Return a scattered tower of ids, features and an mlp; parts have width 3."""
    width = {"embedding": 3} if mlp else {}
    options = width | {"combine": combine, "mlp": mlp} | options
    tower = make_item_tower(ALL, **options)
    tower.set_features(VALUES)
    return tower


def weights_of(tower):
    """Return the tables in the order of the parts, then the weights of the mlp."""
    tables = [feature.table for feature in tower.features.values()]
    layers = [*tower.mlp.hidden, tower.mlp.output_layer] if tower.mlp else []
    dense = [weight for layer in layers for weight in (layer.kernel, layer.bias)]
    return [*tables, *([tower.table] if tower.use_id else []), *dense]


def parts_by_definition(tables, entity):
    """Return the vectors of an entity's features and, with a table, its id."""
    *of_features, of_id = [*tables, None][: len(ALL) + 1]
    parts = [
        feature_vector(feature, table, VALUES[name][entity])
        for (name, feature), table in zip(ALL.items(), of_features, strict=True)
    ]
    return parts if of_id is None else [*parts, of_id[entity]]


def combined(how, parts):
    if how == "concat":
        return np.concatenate(parts)
    return sum(parts) / (len(parts) if how == "mean" else 1)


# covers: L6, L7, L8
@pytest.mark.parametrize("use_id", [True, False])
@pytest.mark.parametrize("combine", ["concat", "mean", "sum"])
def test_parts_are_combined_and_pass_through_the_mlp(combine, use_id):
    tower = whole_tower(combine, use_id=use_id)
    n_tables = len(ALL) + use_id

    def reference(*weights):
        tables, layers = weights[:n_tables], weights[n_tables:]
        rows = [combined(combine, parts_by_definition(tables, i)) for i in IDS]
        return np.sum(mlp(np.array(rows), layers) * DIRECTION)

    assert_same_as(
        reference, lambda: ops.sum(tower(IDS) * DIRECTION), weights_of(tower)
    )


# covers: L8
def test_ids_alone_pass_through_the_mlp():
    tower = make_item_tower(embedding=3, combine="concat", mlp=MLP)
    table, *layers = (np.float64(w.value) for w in weights_of(tower))
    found = evaluated(tower)(IDS)
    np.testing.assert_allclose(found, mlp(table[IDS], layers), 1e-5, 1e-6)


def test_without_an_mlp_the_vector_is_the_mean_of_the_parts():
    tower = whole_tower("mean", mlp=None)
    tables = [np.float64(w.value) for w in weights_of(tower)]
    expected = [combined("mean", parts_by_definition(tables, i)) for i in IDS]
    np.testing.assert_allclose(evaluated(tower)(IDS), expected, 1e-5, 1e-6)


@pytest.mark.parametrize(
    "options", [{"combine": "concat"}, {"embedding": 3}, {"dimension": 5}]
)
def test_parts_of_another_width_than_the_vector_need_an_mlp(options):
    with pytest.raises(ValueError, match=r"without an mlp; give an mlp, or use sum"):
        new_item_tower(ALL, **options)


@pytest.mark.parametrize("combine", ["concat", "mean"])
def test_indices_may_have_any_shape(combine):
    tower = whole_tower(combine)
    grid = np.array([[4, 2, 0], [3, 3, 1]])
    found, flat = evaluated(tower)(grid), evaluated(tower)(grid.ravel())
    assert found.shape == (2, 3, DIMENSION)
    np.testing.assert_allclose(found.reshape(6, DIMENSION), flat, 1e-5, 1e-6)


# covers: L22
@pytest.mark.parametrize("left_out", range(4))
def test_a_masked_part_is_zero_and_has_no_gradient(left_out):
    tower = whole_tower()
    assert tower.parts == ["country", "genres", "year", "id"]
    kept = np.arange(4) != left_out
    masks = np.tile(kept, (len(IDS), 1))

    def reference(*weights):
        tables, layers = weights[:4], weights[4:]
        rows = [
            np.concatenate([part * k for part, k in zip(parts, kept, strict=True)])
            for parts in (parts_by_definition(tables, i) for i in IDS)
        ]
        return np.sum(mlp(np.array(rows), layers) * DIRECTION)

    score = lambda: ops.sum(tower(IDS, kept=masks) * DIRECTION)  # noqa: E731
    assert_same_as(reference, score, weights_of(tower))
    _, gradients = value_and_gradients(score, weights_of(tower)[:4])
    assert [gradient.any() for gradient in gradients] == kept.tolist()


# covers: L22
def test_each_entity_has_its_own_mask():
    tower = whole_tower("sum", mlp=None)
    tables = [np.float64(w.value) for w in weights_of(tower)]
    kept = np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    parts = np.array([parts_by_definition(tables, i) for i in IDS])
    found = evaluated(lambda ids: tower(ids, kept=kept))(IDS)
    np.testing.assert_allclose(found, np.sum(parts * kept[..., None], 1), 1e-5, 1e-6)
    assert not found[2].any()


# covers: L16
def test_l2_penalises_all_tables_and_nothing_else():
    tower = whole_tower(l2=0.01)
    tables = weights_of(tower)[:4]

    def reference(*tables):
        return 0.01 * sum(np.sum(table**2) for table in tables)

    assert_same_as(reference, lambda: ops.sum(ops.stack(tower.losses)), tables)


# covers: L16
def test_without_l2_there_is_no_penalty():
    assert whole_tower(l2=0.0).losses == []


# covers: X11, N6
@pytest.mark.parametrize("hashes", [None, {"id": [{"buckets": 997, "dimension": 16}]}])
def test_without_a_scale_embeddings_start_with_length_about_one(hashes):
    genres = {"genres": Feature("categorical", size=1000, width=1)}
    options = {"dimension": 16, "embedding": 16, "scale": None, "hashes": hashes}
    tower = new_item_tower(genres, n_entities=1000, **options)
    tower.build()
    tables = [np.asarray(table) for table in tower.trainable_weights]
    assert len(tables) == 2
    for table in tables:
        np.testing.assert_allclose(table.std(), 16**-0.5, rtol=0.03)
    assert tower.get_config()["scale"] is None


def test_an_untrained_entity_is_its_content_and_the_out_of_vocabulary_id():
    tower, known = content_tower(), np.arange(N_ITEMS) != 4
    tower.set_trained(known)
    genres, year = (np.float64(f.table.value) for f in tower.features.values())
    rows = np.asarray(tower.table.value)[[2, OUT_OF_VOCABULARY, 3]]
    expected = content(genres, year, [2, 4, 3]) + rows
    found = evaluated(tower)(np.array([2, 4, 3]))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: L6, N6
def test_untrained_entities_share_the_out_of_vocabulary_row():
    tower = make_item_tower(n_rows=6)
    assert tower.table.shape == (6, DIMENSION)
    rows = [1, 1, 2, 3, 4, 5, 1, 1, 1]
    np.testing.assert_array_equal(
        evaluated(tower)(np.arange(N_ITEMS)), np.asarray(tower.table.value)[rows]
    )
    tower.set_trained(np.array([False] * 3 + [True] * 2 + [False] * 4))
    assert np.asarray(tower.id_rows.value).tolist() == [1, 1, 1, 3, 4, 1, 1, 1, 1]


def test_a_trained_entity_without_a_row_is_refused():
    with pytest.raises(ValueError, match=r"2 trained .* table of 6 .*\[6, 8\].*grow"):
        make_item_tower(n_rows=6).set_trained(np.isin(np.arange(N_ITEMS), [3, 6, 8]))


def test_stored_values_and_rows_are_not_trainable():
    tower = whole_tower()
    assert tower.id_rows in tower.non_trainable_weights


# covers: L30
def test_given_values_replace_stored_ones():
    tower, ids = whole_tower(), np.array([2, 3])
    given = {"genres": np.array([[1, 2, 3], [2, 0, 0]])}  # wider than stored values
    found = evaluated(lambda ids: tower(ids, values=given))(ids)
    rows = {"country": VALUES["country"][ids], "year": YEAR[ids]} | given
    expected = evaluated(lambda ids: tower.embed(ids, rows))(ids)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)
    assert not np.isclose(found, evaluated(tower)(ids)).all(axis=1).any()


# covers: L30
def test_a_new_entity_is_embedded_from_its_values():
    tower = whole_tower()
    tables_and_layers = [np.float64(w.value) for w in weights_of(tower)]
    tables, layers = tables_and_layers[:4], tables_and_layers[4:]
    rows = {n: np.array([VALUES[n][i] for i in (4, 2)]) for n in ALL}
    parts = [parts_by_definition(tables, i)[:3] for i in (4, 2)]
    unknown = tables[3][OUT_OF_VOCABULARY]
    expected = mlp(np.array([np.concatenate([*p, unknown]) for p in parts]), layers)
    nobody = np.full(2, OUT_OF_VOCABULARY)
    found = evaluated(lambda ids: tower.embed(ids, rows))(nobody)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: L10
def test_padding_is_excluded_from_batch_norm_statistics():
    normed = MLP | {"batch_norm": True}
    tower = whole_tower(mlp=normed)
    padded = np.array([[4, 2, 0, 0], [3, 5, 6, 0]])
    train = evaluated(partial(tower, training=True))
    found, alone = train(padded), train(np.array([4, 2, 3, 5, 6]))
    np.testing.assert_allclose(found[padded > 0], alone, 1e-5, 1e-5)


def test_half_precision_has_float32_weights_and_finite_gradients():
    tower = whole_tower(mlp=MLP | {"batch_norm": True}, dtype="mixed_bfloat16")
    assert {weight.dtype for weight in tower.trainable_weights} == {"float32"}
    assert evaluated(tower)(IDS).dtype.name == "bfloat16"
    _, gradients = value_and_gradients(
        lambda: ops.sum(ops.cast(tower(IDS, training=True), "float32") * DIRECTION),
        tower.trainable_weights,
    )
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_the_configuration_rebuilds_a_tower_with_all_parts():
    mlp = {"hidden_units": [5], "batch_norm": True, "dropout": 0.2}
    tower = whole_tower(mlp=mlp, l2=0.1, n_rows=7, id_dropout=0.25)
    copy = EntityTower.from_config(tower.get_config())
    assert copy.get_config() == tower.get_config()
    copy.build()
    copy.set_weights(tower.get_weights())
    found = evaluated(copy)(np.arange(N_ITEMS))
    np.testing.assert_array_equal(found, evaluated(tower)(np.arange(N_ITEMS)))
