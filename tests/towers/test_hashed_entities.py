"""Entity towers with hashed ids and feature values."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import (
    DIMENSION,
    N_ITEMS,
    call_towers,
    history_towers,
    make_encoder,
    make_item_tower,
    new_item_tower,
    pad,
    scatter_weights,
)
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.features import Feature
from two_tower.towers.growth import Growth, grow

pytestmark = pytest.mark.backend

OUT_OF_VOCABULARY = 1  # by definition, not the constant under test

FEATURES = {
    "genres": Feature("multi_valued", size=4, width=2),
    "year": Feature("categorical", size=9, width=1),
}
GENRES = np.array([[0, 0], [0, 0], [2, 3], [3, 0], [1, 2], *[[2, 0]] * 4])
YEARS = np.array([0, 0, 8, 0, 5, 6, 7, 1, 8])[:, None]
HASHES = {
    "id": [{"buckets": 5, "dimension": 2}, {"buckets": 3, "dimension": 3}],
    "year": [{"buckets": 3, "dimension": DIMENSION}],
}
IDS, DIRECTION = np.array([4, 2, 4, 0]), np.linspace(-1, 1, 16).reshape(4, 4)


def hashed_tower(**options):
    tower = make_item_tower(FEATURES, **{"hashes": HASHES, "combine": "mean"} | options)
    tower.set_features({"genres": GENRES, "year": YEARS})
    return tower


def weights_of(tower):
    """Return the tables of genres, years and ids, and W of the ids."""
    of_id = tower.hashed_id
    return [
        tower.features["genres"].table,
        *tower.features["year"].hashed.tables.values(),
        *of_id.tables.values(),
        of_id.kernel,
    ]


def features_by_definition(genres, years, i):
    real = [genres[g] for g in GENRES[i] if g]
    year = YEARS[i, 0]
    return [
        sum(real) / len(real) if real else np.zeros(DIMENSION),
        years[year % 3 + 1] if year else np.zeros(DIMENSION),
    ]


def item_by_definition(genres, years, fives, threes, kernel, i):
    """Return the mean of an item's genre, year and id vectors."""
    of_id = np.concatenate([fives[i % 5 + 1], threes[i % 3 + 1]]) @ kernel
    parts = [*features_by_definition(genres, years, i), of_id * (i > 0)]
    return sum(parts) / 3


# covers: A2 A5 A8
def test_an_item_is_the_mean_of_hashed_and_plain_parts():
    tower = hashed_tower()
    assert_same_as(
        lambda *weights: np.sum(
            [item_by_definition(*weights, i) for i in IDS] * DIRECTION
        ),
        lambda: ops.sum(tower(IDS) * DIRECTION),
        weights_of(tower),
    )


# covers: A5
def test_padding_of_hashed_ids_is_zero_even_with_id_dropout():
    tower = make_item_tower(hashes={"id": HASHES["id"]}, id_dropout=0.9)
    for training in (False, True):
        nobody = np.zeros((2, 100), np.int32)
        assert not np.asarray(tower(nobody, training=training)).any()


# covers: A2 N6
def test_an_untrained_entity_hashes_the_out_of_vocabulary_id():
    tower = make_item_tower(hashes={"id": HASHES["id"]})
    known = np.arange(N_ITEMS) != 4
    tower.set_trained(known)
    rows = evaluated(tower.hashed_id)(np.array([OUT_OF_VOCABULARY, 2], np.int32))
    np.testing.assert_allclose(evaluated(tower)(np.array([4, 2])), rows, 1e-6)


def test_a_dropped_id_becomes_the_out_of_vocabulary_id():
    tower = make_item_tower(hashes={"id": HASHES["id"]}, id_dropout=0.5)
    kept, unknown = evaluated(tower)(np.array([4, OUT_OF_VOCABULARY]))
    found = evaluated(partial(tower, training=True))(np.full(200, 4))
    is_kept, is_unknown = (
        np.isclose(found, one, atol=1e-5).all(axis=1) for one in (kept, unknown)
    )
    assert (is_kept ^ is_unknown).all()
    assert 50 < is_unknown.sum() < 150


# covers: A7
def test_one_set_of_tables_serves_histories_positives_and_negatives():
    towers = history_towers(
        new_item_tower(FEATURES, hashes=HASHES), make_encoder("mean")
    )
    towers.build()
    scatter_weights(towers)
    tower = towers.item_tower
    tower.set_features({"genres": GENRES, "year": YEARS})
    table, batch = tower.hashed_id.tables["table_0"], pad([[2]])

    def learnt(vectors):
        _, (gradient,) = value_and_gradients(lambda: ops.sum(vectors()[:, 0]), [table])
        return np.flatnonzero(gradient.any(axis=1)).tolist()

    assert learnt(lambda: towers(batch)) == [2 % 5 + 1]  # the history
    candidates = np.array([3, 4])  # a positive and a negative
    assert learnt(lambda: towers.item_vectors(candidates)) == [3 % 5 + 1, 4 % 5 + 1]
    names = [weight.path for weight in towers.trainable_weights]
    assert sum("hashed_id" in name for name in names) == 3


# covers: A8
def test_a_category_is_the_mean_of_the_named_features():
    tower = hashed_tower()
    weights = weights_of(tower)[:2]
    grid = np.array([[4, 2], [0, 3]])

    def category(genres, years, i):
        return sum(features_by_definition(genres, years, i)) / 2

    assert_same_as(
        lambda *tables: np.sum(
            [category(*tables, i) for i in grid.ravel()] * DIRECTION
        ),
        lambda: ops.sum(
            tower.mean_of(grid, ["genres", "year"]) * DIRECTION.reshape(2, 2, 4)
        ),
        weights,
    )


# covers: A8
def test_a_category_of_one_feature_is_its_vector():
    tower = hashed_tower()
    found = evaluated(lambda ids: tower.mean_of(ids, ["genres"]))(IDS)
    genres = np.asarray(tower.features["genres"].table, np.float64)
    expected = [features_by_definition(genres, genres, i)[0] for i in IDS]
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: A8
@pytest.mark.parametrize("hashes", [HASHES, {}])
def test_a_category_of_the_id_is_that_part_of_the_item(hashes):
    tower = make_item_tower({}, hashes={n: h for n, h in hashes.items() if n == "id"})
    scatter_weights(tower)
    found = evaluated(lambda ids: tower.mean_of(ids, ["id"]))(IDS)
    np.testing.assert_allclose(found, evaluated(tower)(IDS), 1e-5, 1e-6)


# covers: A8
@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["genre"], {}, r"no parts \['genre'\], only \['genres', 'year', 'id'\]"),
        (["id"], {"use_id": False, "hashes": {}}, r"no parts \['id'\]"),
        ([], {}, r"name some of \['genres', 'year', 'id'\]"),
    ],
)
def test_a_category_of_an_unknown_feature_is_refused(names, options, message):
    with pytest.raises(ValueError, match=message):
        hashed_tower(**options).mean_of(IDS, names)


def test_a_category_of_another_width_than_the_item_is_refused():
    mlp = {"hidden_units": [5], "batch_norm": False, "dropout": 0.0}
    tower = make_item_tower(FEATURES, embedding=3, mlp=mlp)
    with pytest.raises(ValueError, match="width 3 but entities 4; set embedding"):
        tower.mean_of(IDS, ["genres"])


@pytest.mark.parametrize(
    ("features", "hashes", "message"),
    [
        (FEATURES, {"genre": []}, r"parts \['genre'\], .* only \['genres', 'year', 'i"),
        (FEATURES, {"id": []}, "no hashes"),
        (FEATURES, {"id": [{"buckets": 9, "dimension": 2}]}, "9, not a prime"),
        (
            {"age": Feature("dense", size=1, width=1)},
            {"age": [{"buckets": 5, "dimension": 2}]},
            "a number, which has no ids",
        ),
    ],
)
def test_hashes_of_parts_without_ids_are_refused(features, hashes, message):
    with pytest.raises(ValueError, match=message):
        new_item_tower(features, hashes=hashes)


def test_hashes_of_unused_ids_are_refused():
    with pytest.raises(ValueError, match=r"names the parts \['id'\]"):
        new_item_tower(FEATURES, use_id=False, hashes={"id": HASHES["id"]})


# covers: L16
def test_l2_penalises_hashed_tables_too():
    tower = hashed_tower(l2=0.01)
    tables = weights_of(tower)[:-1]
    assert_same_as(
        lambda *tables: 0.01 * sum(np.sum(table**2) for table in tables),
        lambda: ops.sum(ops.stack(tower.losses)),
        tables,
    )


def test_the_configuration_rebuilds_a_hashed_tower():
    tower = hashed_tower(id_dropout=0.25, n_rows=7)
    copy = EntityTower.from_config(tower.get_config())
    assert copy.get_config() == tower.get_config()
    copy.build()
    copy.set_weights(tower.get_weights())
    found = evaluated(copy)(np.arange(N_ITEMS))
    np.testing.assert_array_equal(found, evaluated(tower)(np.arange(N_ITEMS)))


def make_model():
    towers = history_towers(
        new_item_tower(FEATURES, hashes=HASHES), make_encoder("transformer")
    )
    towers.build()
    scatter_weights(towers)
    towers.item_tower.set_features({"genres": GENRES, "year": YEARS})
    return towers


def more_items(**changes):
    """Return two new items with two new years and a new genre."""
    new = np.array([[2, 4, 3], [4, 0, 0]])
    return Growth(
        **{
            "n_entities": 11,
            "n_rows": 11,
            "features": {
                "genres": Feature("multi_valued", size=5, width=3),
                "year": Feature("categorical", size=11, width=1),
            },
            "values": {
                "genres": np.concatenate([np.pad(GENRES, ((0, 0), (0, 1))), new]),
                "year": np.concatenate([YEARS, [[9], [10]]]),
            },
            "is_trained": np.ones(11, bool),
        }
        | changes
    )


BATCH = pad([[3, 5, 2, 8], [4], []])


# covers: A2 L28
def test_hashed_tables_do_not_grow_and_trained_vectors_stay():
    towers = make_model()
    grown = grow(towers, items=more_items(), users=None)
    before, after = (weights_of(model.item_tower) for model in (towers, grown))
    for old, new in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(new, old)
    assert after[0].shape == (5, DIMENSION)  # genres have a row each
    known = np.arange(N_ITEMS)
    items = [evaluated(model.item_tower)(known) for model in (towers, grown)]
    np.testing.assert_allclose(items[1], items[0], 1e-6)
    queries = [call_towers(model)(*BATCH.values()) for model in (towers, grown)]
    np.testing.assert_allclose(queries[1], queries[0], 1e-6)


# covers: A2 L28 X11
@pytest.mark.parametrize("n_rows", [N_ITEMS, 11])
def test_a_new_entity_has_its_own_hash_once_it_is_trained(n_rows):
    known = np.arange(11) < n_rows
    items = more_items(n_rows=n_rows, is_trained=known)
    tower = grow(make_model(), items=items, users=None).item_tower
    genres, years, fives, threes, kernel = (np.float64(w) for w in weights_of(tower))
    row = 10 if n_rows > 10 else OUT_OF_VOCABULARY
    of_id = np.concatenate([fives[row % 5 + 1], threes[row % 3 + 1]]) @ kernel
    # The genre is new and starts as one out of vocabulary.
    expected = genres[OUT_OF_VOCABULARY] + years[10 % 3 + 1] + of_id
    found = evaluated(tower)(np.array([10]))
    np.testing.assert_allclose(found, [expected], 1e-5, 1e-6)


# covers: L28
def test_a_grown_model_with_hashes_is_saved_and_loaded(tmp_path):
    grown = grow(make_model(), items=more_items(), users=None)
    grown.save(tmp_path / "grown.keras")
    loaded = keras.saving.load_model(tmp_path / "grown.keras", compile=False)
    ids = np.arange(11)
    np.testing.assert_array_equal(loaded.item_vectors(ids), grown.item_vectors(ids))
    for found, expected in zip(loaded.weights, grown.weights, strict=True):
        np.testing.assert_array_equal(found, expected, err_msg=found.path)


# covers: A2
def test_ten_million_ids_are_trained_in_tables_of_under_100_megabytes():
    primes, n_entities = (99_991, 100_003), 10_000_000
    hashes = {"id": [{"buckets": prime, "dimension": 64} for prime in primes]}
    tower = new_item_tower(n_entities=n_entities, hashes=hashes, dtype="float32")
    tower.build()
    tables = tower.trainable_weights
    assert sum(np.prod(w.shape) * 4 for w in tables) < 100e6
    ids = np.array([2, n_entities - 1, 0])
    direction = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(tables)
    before = [np.asarray(table) for table in tables]
    _, gradients = value_and_gradients(lambda: ops.sum(tower(ids) * direction), tables)
    optimizer.apply([ops.convert_to_tensor(g) for g in gradients], tables)
    for table, old, prime in zip(tables, before, primes, strict=False):
        moved = np.flatnonzero((np.asarray(table) != old).any(axis=1))
        assert moved.tolist() == sorted(i % prime + 1 for i in ids[:2])
