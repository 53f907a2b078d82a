"""Models with an item tower of their own for history items."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import evaluated, value_and_gradients
from tests.towers.build import (
    DIMENSION,
    EACH_TOWER,
    N_ITEMS,
    make_encoder,
    new_item_tower,
    pad,
    scatter_weights,
)
from two_tower.towers.features import Feature
from two_tower.towers.growth import Growth, grow
from two_tower.towers.two_tower import TwoTower
from two_tower.training.objectives.softmax import FullSoftmax

pytestmark = pytest.mark.backend

GENRES = np.array([[0], [0], [2], [3], [1], [2], [3], [2], [2]])
FEATURES = {"genre": Feature("categorical", size=4, width=1)}
BATCH = pad([[3, 5, 2, 8], [4], [], [7, 7, 3]])


def towers_of(item_tower, encoder, own):
    return TwoTower(
        item_tower,
        history_encoder=encoder,
        profile=None,
        fusion=None,
        normalise=True,
        history_item_tower=own,
    )


def make_towers(kind="mean"):
    """Return towers whose history items have ids and genres, candidates only ids."""
    own = new_item_tower(FEATURES, seed=5)
    towers = towers_of(new_item_tower(), make_encoder(kind), own)
    towers.build()
    scatter_weights(towers)
    own.set_features({"genre": GENRES})
    return towers


def queries_of(towers, **options):
    return evaluated(lambda: towers(BATCH, **options))()


def items_of(towers):
    return evaluated(towers.item_vectors)(np.arange(2, N_ITEMS))


@EACH_TOWER
def test_queries_and_candidates_read_their_own_tower_only(kind):
    towers = make_towers(kind)
    queries, items = queries_of(towers), items_of(towers)
    towers.item_tower.table.assign(towers.item_tower.table * -2.0)
    np.testing.assert_array_equal(queries_of(towers), queries)
    assert np.abs(items_of(towers) - items).min() > 0
    changed = items_of(towers)
    own = towers.history_item_tower.features["genre"].table
    own.assign(own * -2.0)
    np.testing.assert_array_equal(items_of(towers), changed)
    rows = np.abs(queries_of(towers) - queries).max(axis=1)
    assert (rows > 1e-3).tolist() == [True, True, False, True]  # the third is empty


@EACH_TOWER
def test_a_separate_tower_is_read_like_a_shared_one(kind):
    towers = make_towers(kind)
    shared = towers_of(towers.history_item_tower, towers.history_encoder, None)
    shared.build()
    shared.no_history.assign(towers.no_history)
    np.testing.assert_allclose(queries_of(shared), queries_of(towers), 1e-6)


@EACH_TOWER
def test_looking_items_up_in_the_catalogue_equals_embedding_them(kind):
    towers = make_towers(kind)

    def looked_up():
        catalogue = towers.embeds_histories(ops.arange(N_ITEMS, dtype="int32"))
        batch = {"items": BATCH["items"], "positions": np.array([0, 3, 8], np.int32)}
        alone = towers.queries(batch)
        return ops.stack([towers.queries(batch, catalogue=catalogue), alone])

    found, expected = evaluated(looked_up)()
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


def test_each_table_learns_from_its_own_side():
    towers = make_towers()
    tables = [towers.item_tower.table, towers.history_item_tower.table]
    batch = pad([[3, 5]])

    def score():
        return ops.sum(towers(batch) * towers.item_vectors(np.array([7])))

    _, gradients = value_and_gradients(score, tables)
    learnt = [np.flatnonzero(gradient.any(axis=1)).tolist() for gradient in gradients]
    assert learnt == [[7], [3, 5]]


def test_a_catalogue_softmax_trains_each_table_from_its_own_side():
    towers = make_towers()
    tables = [towers.item_tower.table, towers.history_item_tower.table]
    batch = {
        "items": pad([[3, 5]])["items"],
        "positions": np.array([1], np.int32),
        "labels": np.array([7], np.int32),
        "weights": np.ones(1, np.float32),
    }
    objective = FullSoftmax(np.arange(N_ITEMS) != 4, chunk=1)

    def loss():
        return objective(towers, batch, temperature=0.5, training=True)[0]

    _, gradients = value_and_gradients(loss, tables)
    learnt = [np.flatnonzero(gradient.any(axis=1)).tolist() for gradient in gradients]
    assert learnt == [[2, 3, 5, 6, 7, 8], [3, 5]]


@EACH_TOWER
def test_both_tables_are_saved_and_loaded(kind, tmp_path):
    towers = make_towers(kind)
    towers.save(tmp_path / "towers.keras")
    loaded = keras.saving.load_model(tmp_path / "towers.keras", compile=False)
    np.testing.assert_array_equal(queries_of(loaded), queries_of(towers))
    np.testing.assert_array_equal(items_of(loaded), items_of(towers))
    assert list(loaded.history_item_tower.features) == ["genre"]


def test_a_saved_model_without_history_item_tower_is_loaded():
    towers = towers_of(new_item_tower(), make_encoder("mean"), None)
    config = towers.get_config()
    del config["history_item_tower"]
    loaded = TwoTower.from_config(config)
    assert loaded.history_item_tower is None
    assert loaded.embeds_histories is loaded.item_tower


def growth(features, values):
    return Growth(11, 11, features, values, np.ones(11, bool))


@EACH_TOWER
def test_both_tables_grow_and_queries_stay(kind):
    towers = make_towers(kind)
    genres = np.concatenate([GENRES, [[3], [4]]])
    more = {"genre": Feature("categorical", size=5, width=1)}
    grown = grow(
        towers,
        items=growth({}, {}),
        users=None,
        history_items=growth(more, {"genre": genres}),
    )
    np.testing.assert_allclose(queries_of(grown), queries_of(towers), 1e-6)
    np.testing.assert_allclose(items_of(grown), items_of(towers), 1e-6)
    assert grown.item_tower.n_entities == grown.history_item_tower.n_entities == 11
    # A new genre and a new id start as the out-of-vocabulary ones.
    found = evaluated(grown.history_item_tower)(np.array([10]))
    own = towers.history_item_tower
    expected = np.asarray(own.table)[1] + np.asarray(own.features["genre"].table)[1]
    np.testing.assert_allclose(found, [expected], 1e-6)


def test_growing_only_one_of_two_tables_is_refused():
    with pytest.raises(ValueError, match="give history_items if, and only if"):
        grow(make_towers(), items=growth({}, {}), users=None)
    tied = towers_of(new_item_tower(), make_encoder("mean"), None)
    with pytest.raises(ValueError, match="give history_items if, and only if"):
        grow(tied, items=growth({}, {}), users=None, history_items=growth({}, {}))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_entities": N_ITEMS + 1}, f"{N_ITEMS + 1} items of dimension {DIMENSION}"),
        ({"dimension": 6, "embedding": 6}, f"{N_ITEMS} items of dimension 6"),
    ],
)
def test_a_history_item_tower_of_another_size_is_refused(sizes, message):
    own = new_item_tower(**sizes)
    with pytest.raises(ValueError, match=message):
        towers_of(new_item_tower(), make_encoder("mean"), own)


def test_a_history_item_tower_without_histories_is_refused():
    with pytest.raises(ValueError, match="leave it out"):
        TwoTower(
            new_item_tower(),
            history_encoder=None,
            profile=new_item_tower(),
            fusion=None,
            normalise=True,
            history_item_tower=new_item_tower(),
        )
