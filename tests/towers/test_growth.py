import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import evaluated, value_and_gradients
from tests.towers.build import (
    MAX_LENGTH,
    N_ITEMS,
    N_USERS,
    USER_FEATURES,
    USERS,
    make_profile_towers,
    make_towers,
    pad,
    scatter_averages,
)
from two_tower.towers.features import Feature
from two_tower.towers.growth import Growth, grow

pytestmark = pytest.mark.backend

OUT_OF_VOCABULARY = 1  # by definition, not the constant under test

ITEM_FEATURES = {"genres": Feature("multi_valued", size=4, width=2)}
GENRES = np.array([[0, 0], [0, 0], [2, 3], [3, 0], [1, 2], *[[2, 0]] * 4])

# Two new items, a new user, genre and gender; item 9 has three genres.
MORE_GENRES = np.zeros((11, 3), int)
MORE_GENRES[:N_ITEMS, :2] = GENRES
MORE_GENRES[9:] = [[2, 4, 3], [4, 0, 0]]
MORE_USERS = {n: np.concatenate([v, [[4]]]).astype(v.dtype) for n, v in USERS.items()}

BATCH = pad([[3, 5, 2, 8], [4], [], [7, 7, 3]]) | {
    "users": np.array([3, 5, 2, 6], np.int32)
}


def make_model(kind="mean"):
    towers = make_profile_towers(kind, features=ITEM_FEATURES, batch_norm=True)
    towers.item_tower.set_features({"genres": GENRES})
    scatter_averages(towers)
    return towers


def more_items(**changes):
    sizes = {"n_entities": 11, "n_rows": 11}
    return Growth(
        **sizes
        | {
            "features": {"genres": Feature("multi_valued", size=5, width=3)},
            "values": {"genres": MORE_GENRES},
            "is_trained": np.ones(11, bool),
        }
        | changes
    )


def more_users(**changes):
    gender = Feature("categorical", size=5, width=1)
    return Growth(
        **{
            "n_entities": 8,
            "n_rows": 8,
            "features": USER_FEATURES | {"gender": gender},
            "values": MORE_USERS,
            "is_trained": np.ones(8, bool),
        }
        | changes
    )


def queries_of(towers):
    return evaluated(lambda: towers(BATCH))()


def items_of(towers, ids):
    return evaluated(towers.item_tower)(np.array(ids))


# covers: L28
@pytest.mark.parametrize("kind", [None, "mean", "transformer"])
def test_trained_entities_keep_their_vectors(kind):
    towers = make_model(kind)
    grown = grow(towers, items=more_items(), users=more_users())
    np.testing.assert_allclose(queries_of(grown), queries_of(towers), 1e-6)
    ids = range(2, N_ITEMS)
    np.testing.assert_allclose(items_of(grown, ids), items_of(towers, ids), 1e-6)


# covers: L28, X11
def test_a_new_entity_starts_as_content_and_out_of_vocabulary_id():
    towers = make_model()
    grown = grow(towers, items=more_items(), users=None)
    ids, genres = towers.item_tower.table, towers.item_tower.features["genres"].table
    unknown, genres = np.float64(ids.value)[OUT_OF_VOCABULARY], np.float64(genres.value)
    # Genre 4 is new and starts as a genre out of vocabulary.
    of_three = (genres[2] + genres[OUT_OF_VOCABULARY] + genres[3]) / 3
    expected = [of_three + unknown, genres[OUT_OF_VOCABULARY] + unknown]
    np.testing.assert_allclose(items_of(grown, [9, 10]), expected, 1e-5, 1e-6)


# covers: L28
def test_new_entities_and_values_learn_in_their_own_rows():
    grown = grow(make_model(), items=more_items(), users=more_users())
    item_tower, profile = grown.item_tower, grown.profile
    batch = pad([[9]]) | {"users": np.array([7], np.int32)}
    weights = [
        item_tower.table,
        item_tower.features["genres"].table,
        profile.table,
        profile.features["gender"].table,
    ]
    _, gradients = value_and_gradients(lambda: ops.sum(grown(batch)[:, 0]), weights)
    learnt = [np.flatnonzero(gradient.any(axis=1)).tolist() for gradient in gradients]
    assert learnt == [[9], [2, 3, 4], [7], [4]]


# covers: L28, X11
def test_items_are_added_without_rows_and_training():
    towers = make_model()
    known = np.arange(11) < N_ITEMS
    added = more_items(n_rows=N_ITEMS, is_trained=known)
    grown = grow(towers, items=added, users=None)
    before, after = (np.asarray(t.item_tower.table.value) for t in (towers, grown))
    np.testing.assert_array_equal(after[1:], before[1:])  # nothing reads padding's row
    rows = np.asarray(grown.item_tower.id_rows.value)
    assert rows.tolist() == [1, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1]
    as_trained = items_of(grow(towers, items=more_items(), users=None), [9, 10])
    np.testing.assert_array_equal(items_of(grown, [9, 10]), as_trained)
    np.testing.assert_allclose(queries_of(grown), queries_of(towers), 1e-6)


# covers: L28
def test_an_untrained_row_starts_as_the_out_of_vocabulary_row():
    towers = make_model()
    towers.item_tower.set_trained(np.arange(N_ITEMS) != 6)
    before = items_of(towers, range(N_ITEMS))
    grown = grow(towers, items=more_items(), users=None)
    np.testing.assert_allclose(items_of(grown, range(N_ITEMS)), before, 1e-6)
    assert np.asarray(grown.item_tower.id_rows.value)[6] == 6


def test_entities_may_have_fewer_values_than_before():
    towers, narrow = make_model(), MORE_GENRES[:, :1]
    features = {"genres": Feature("multi_valued", size=5, width=1)}
    items = more_items(features=features, values={"genres": narrow})
    grown = grow(towers, items=items, users=None)
    stored = np.asarray(grown.item_tower.features["genres"].values.value)
    np.testing.assert_array_equal(stored, narrow)


# covers: L28
def test_growing_twice_equals_growing_once():
    towers = make_model()
    added = more_items(n_rows=N_ITEMS, is_trained=np.arange(11) < N_ITEMS)
    twice = grow(
        grow(towers, items=added, users=None), items=more_items(), users=more_users()
    )
    once = grow(towers, items=more_items(), users=more_users())
    for found, expected in zip(twice.weights, once.weights, strict=True):
        np.testing.assert_array_equal(found, expected, err_msg=found.path)


# covers: L28
def test_new_positions_start_as_the_oldest_one():
    towers = make_model("transformer")
    grown = grow(towers, items=more_items(), users=None, max_length=MAX_LENGTH + 2)
    before = np.asarray(towers.history_encoder.positions.value)
    found = np.asarray(grown.history_encoder.positions.value)
    expected = [*before, before[-1], before[-1]]
    np.testing.assert_array_equal(found, expected)
    assert grown.max_length == grown.history_encoder.max_length == MAX_LENGTH + 2
    np.testing.assert_allclose(queries_of(grown), queries_of(towers), 1e-6)


@pytest.mark.parametrize("kind", [None, "mean", "transformer"])
@pytest.mark.parametrize("max_length", [None, 3])
def test_the_longest_history_never_shrinks(kind, max_length):
    towers = make_model(kind)
    grown = grow(towers, items=more_items(), users=None, max_length=max_length)
    assert grown.max_length == towers.max_length


def test_the_given_model_does_not_change():
    towers = make_model()
    before = queries_of(towers)
    grown = grow(towers, items=more_items(), users=more_users())
    for weight in grown.trainable_weights:
        weight.assign(np.zeros(weight.shape))
    np.testing.assert_array_equal(queries_of(towers), before)
    assert towers.item_tower.n_entities == N_ITEMS


# covers: L28
def test_a_grown_model_is_saved_and_loaded(tmp_path):
    grown = grow(make_model(), items=more_items(), users=more_users())
    grown.save(tmp_path / "grown.keras")
    loaded = keras.saving.load_model(tmp_path / "grown.keras", compile=False)
    np.testing.assert_array_equal(queries_of(loaded), queries_of(grown))
    assert (loaded.item_tower.n_entities, loaded.profile.n_rows) == (11, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_entities": 8}, "has 9 entities and cannot shrink to 8"),
        ({"n_rows": 8}, "has 9 rows and cannot shrink to 8"),
        (
            {"features": {"genres": Feature("multi_valued", size=3, width=2)}},
            "4 values of genres and cannot shrink to 3",
        ),
        ({"features": {}}, r"features \['genres'\], not \[\]"),
        ({"n_rows": N_ITEMS}, r"2 trained .* table of 9 \(first: \[9, 10\]\)"),
    ],
)
def test_an_impossible_growth_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        grow(make_model(None), items=more_items(**changes), users=None)


def test_users_of_a_model_without_profile_are_refused():
    with pytest.raises(ValueError, match="no profile"):
        grow(make_towers("mean"), items=more_items(), users=more_users())


def test_users_grow_only_if_given():
    assert grow(make_model(), items=more_items(), users=None).profile.n_rows == N_USERS
