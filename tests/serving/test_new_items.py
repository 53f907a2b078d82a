"""New items represented by their features; deployed items stay as they are."""

from dataclasses import replace

import ibis
import numpy as np
import pyarrow as pa
import pytest

from tests.serving.build import (
    ITEM_VALUES,
    make_query_tower,
    make_vocabularies,
    shared_tower,
)
from tests.towers.build import history_towers, make_encoder, new_item_tower
from two_tower.features.registry import Features
from two_tower.serving.new_items import add_items
from two_tower.towers.features import Feature

pytestmark = pytest.mark.backend

DEPLOYED = np.arange(2, 8, dtype=np.int32)
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def new_items(**columns):
    """Return the deployed e, and the new z and y."""
    table = {
        "item_id": ["z", "e", "y"],
        "title": ["Zulu", "Film e", None],
        "genres": [["Drama", "Action", "Comedy"], ["Drama"], ["Western"]],
        "year": [2000, 2000, None],
    }
    return ibis.memtable(pa.table(table | columns))


# covers: L28 X11
def test_new_items_are_appended_in_order_of_id():
    grown = add_items(shared_tower(), new_items())
    rows = grown.vocabularies.items.to_pylist()
    assert rows[:6] == shared_tower().vocabularies.items.to_pylist()
    assert rows[6:] == [
        {"item": 8, "item_id": "y", "title": None, "n_train": 0},
        {"item": 9, "item_id": "z", "title": "Zulu", "n_train": 0},
    ]
    assert grown.vocabularies.schema["n_items"] == 10


# covers: L28 X11
@pytest.mark.parametrize("separate", [False, True])
def test_deployed_vectors_keep_their_bits(separate):
    tower = make_query_tower(separate=separate)
    grown = add_items(tower, new_items())
    np.testing.assert_array_equal(
        grown.encode_items(DEPLOYED), tower.encode_items(DEPLOYED)
    )
    history = pa.array([["a", "f"], []], pa.list_(pa.string()))
    np.testing.assert_array_equal(
        grown.encode(history, [20, None]), tower.encode(history, [20, None])
    )


# covers: X11
def test_a_new_item_is_made_of_its_features_and_the_out_of_vocabulary_id():
    tower = shared_tower()
    found = add_items(tower, new_items()).encode_items(np.int32([8, 9]))
    items = tower.towers.item_tower
    genres, year = (
        np.asarray(items.features[n].table, np.float64) for n in ("genres", "year")
    )
    no_id = np.asarray(items.table, np.float64)[1]
    # y: a genre out of vocabulary, no year. z: genres 2 to 4, year 2 deviations late.
    expected = np.stack(
        [genres[1] + no_id, genres[2:5].mean(axis=0) + 2 * year[0] + no_id]
    )
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_new_and_cold_items_have_no_embedding_of_their_own():
    grown = add_items(shared_tower(), new_items())
    rows = np.asarray(grown.towers.item_tower.id_rows)
    assert rows.tolist() == [1, 1, 2, 3, 4, 5, 6, 1, 1, 1]  # f, y and z have none


def test_a_new_item_may_have_more_values_than_deployed_ones():
    grown = add_items(shared_tower(), new_items())
    stored = np.asarray(grown.towers.item_tower.features["genres"].values)
    np.testing.assert_array_equal(stored[:8, :2], ITEM_VALUES["genres"])
    assert stored[9].tolist() == [2, 3, 4]


def test_items_can_be_added_again_and_again():
    once = add_items(shared_tower(), new_items())
    twice = add_items(once, new_items())
    assert twice.vocabularies.items == once.vocabularies.items
    more = add_items(once, new_items(item_id=["x", "e", "y"]))
    assert more.vocabularies.items["item_id"].to_pylist()[6:] == ["y", "z", "x"]
    both = np.int32([8, 9])
    np.testing.assert_array_equal(more.encode_items(both), once.encode_items(both))


# covers: L12
def test_a_long_new_item_rescales_all_vectors_and_keeps_their_order():
    tower = make_query_tower(normalise=False)
    grown = add_items(tower, new_items(year=[9000, 2000, None]))
    assert grown.largest_norm > tower.largest_norm
    query = tower.encode(pa.array([["a"]]), [20])
    before, after = (t.encode_items(DEPLOYED) @ query[0] for t in (tower, grown))
    scale = grown.largest_norm / tower.largest_norm
    np.testing.assert_allclose(after * scale, before, rtol=1e-4, atol=1e-6)


# covers: L29
def test_new_items_of_another_type_of_id_are_refused():
    with pytest.raises(ValueError, match="item ids are int64"):
        add_items(shared_tower(), new_items(item_id=[1, 2, 3]))


# covers: A2 X11
def test_a_new_item_hashes_the_out_of_vocabulary_id():
    tower = make_query_tower(hashes={"id": [{"buckets": 5, "dimension": 3}]})
    grown = add_items(tower, new_items())
    np.testing.assert_array_equal(
        grown.encode_items(DEPLOYED), tower.encode_items(DEPLOYED)
    )
    items = tower.towers.item_tower
    genres, hashed = items.features["genres"].table, items.hashed_id
    row = np.asarray(hashed.tables["table_0"], np.float64)[1 % 5 + 1]
    # y: a genre out of vocabulary, no year.
    expected = np.float64(genres)[1] + row @ np.float64(hashed.kernel)
    expected /= np.linalg.norm(expected)
    found = grown.encode_items(np.int32([8]))
    np.testing.assert_allclose(found, [expected], **CLOSE)


def test_a_new_item_has_the_genre_and_the_set_that_training_would_give_it():
    kinds = {"primary": "rarest", "set": "value_set"}
    values = [("primary", "Action", 2), ("primary", "Drama", 3)]
    values += [("set", "Action|Drama", 2), ("set", "Drama", 3)]
    features, names, ids = zip(*values, strict=True)
    deployed = make_vocabularies()
    table = {
        "entity": ["item"] * 4,
        "feature": features,
        "value": names,
        "id": pa.array(ids, pa.int32()),
        "count": pa.array([1] * 4, pa.int64()),
    }
    declared = {name: {"kind": kinds[name], "column": "genres"} for name in kinds}
    counts = {"counts": {"Action": 1, "Drama": 2}}
    vocabularies = replace(
        deployed,
        values=pa.table(table),
        declared=Features.model_validate({"item": declared, "user": None}),
        schema=deployed.schema
        | {"item": {"primary": {"size": 4} | counts, "set": {"size": 4}}},
    )
    towers = history_towers(
        new_item_tower(
            {name: Feature("categorical", 4, 1) for name in kinds}, n_entities=8
        ),
        make_encoder("mean"),
    )
    towers.build()
    tower = replace(shared_tower(), towers=towers, vocabularies=vocabularies)
    lists = [["Drama", "Action"], ["Drama"], ["Drama", "Western"]]
    added = add_items(tower, new_items(item_id=["x", "y", "z"], genres=lists))
    found = added.towers.item_tower.features
    assert np.asarray(found["primary"].values)[8:].ravel().tolist() == [2, 3, 3]
    assert np.asarray(found["set"].values)[8:].ravel().tolist() == [2, 3, 1]
