from functools import partial

import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import DIMENSION, N_ITEMS, make_item_tower
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.features import Feature

pytestmark = pytest.mark.backend

OUT_OF_VOCABULARY = 1  # as the design fixes it; the code's own constant is on trial

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
    """Return the features' part of the items' vectors by definition."""
    real = [[genres[g] for g in GENRES[i] if g] for i in ids]
    means = [sum(rows) / max(len(rows), 1) for rows in real]
    return np.array([m + YEAR[i] * year[0] for m, i in zip(means, ids, strict=True)])


# covers: Q1, Q7
def test_an_item_is_the_sum_of_its_id_and_its_features():
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
def test_only_gathered_rows_learn_and_as_often_as_they_are_gathered():
    tower = make_item_tower()
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(tower(np.array([[5, 2], [5, 5]]))), [tower.table]
    )
    assert gradient[:, 0].tolist() == [0, 0, 1, 0, 0, 3, 0, 0, 0]


def test_without_an_id_an_item_is_its_content():
    tower = content_tower(use_id=False)
    assert len(tower.trainable_weights) == 2
    genres, year = (np.float64(f.table.value) for f in tower.features.values())
    ids = np.array([2, 3, 4])
    found = evaluated(tower)(ids)
    np.testing.assert_allclose(found, content(genres, year, ids), 1e-5, 1e-6)


def test_without_features_an_item_is_its_id():
    tower = make_item_tower()
    table = np.asarray(tower.table.value)
    np.testing.assert_array_equal(tower(np.array([3, 8])), table[[3, 8]])


def test_a_tower_of_neither_ids_nor_features_is_refused():
    with pytest.raises(ValueError, match=r"use_id.*features"):
        make_item_tower(use_id=False)


def test_dropped_ids_become_the_unknown_item_and_keep_their_content():
    tower, ids = content_tower(id_dropout=0.3), np.full(2000, 4)
    found = evaluated(partial(tower, training=True))(ids)
    genres, year = (np.float64(f.table.value) for f in tower.features.values())
    table = np.asarray(tower.table.value)
    kept, unknown = content(genres, year, [4]) + table[[[4], [OUT_OF_VOCABULARY]]]
    is_dropped = np.isclose(found, unknown, atol=1e-5).all(axis=1)
    assert (is_dropped | np.isclose(found, kept, atol=1e-5).all(axis=1)).all()
    # Four standard deviations of a share of 0.3 among 2,000.
    assert is_dropped.mean() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 2000) ** 0.5)


def test_ids_are_dropped_only_while_training():
    tower, ids = content_tower(id_dropout=0.9), np.arange(N_ITEMS)
    expected = evaluated(content_tower())(ids)
    np.testing.assert_array_equal(evaluated(tower)(ids), expected)
    found = evaluated(partial(tower, training=False))(ids)
    np.testing.assert_array_equal(found, expected)


def test_an_id_dropout_of_zero_drops_none():
    tower, ids = content_tower(), np.arange(N_ITEMS)
    found = evaluated(partial(tower, training=True))(ids)
    np.testing.assert_array_equal(found, evaluated(tower)(ids))


def test_the_unknown_item_learns_from_dropped_ids():
    tower = make_item_tower(id_dropout=0.5)
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(tower(np.full(100, 4), training=True)), [tower.table]
    )
    learnt = gradient[:, 0]
    assert learnt[OUT_OF_VOCABULARY] > 0
    assert learnt[OUT_OF_VOCABULARY] + learnt[4] == 100
    assert not np.delete(learnt, [OUT_OF_VOCABULARY, 4]).any()


# covers: X12
def test_each_step_drops_other_ids_and_one_seed_drops_the_same():
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
