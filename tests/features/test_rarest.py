"""The kind that reads the rarest value of a list."""

import ibis
import numpy as np
import pyarrow as pa

from tests.features.tables import declare, encoded, lists, meaning
from tests.sequences.tables import (
    interactions,
    rows,
    sequence,
    some_interactions,
    some_items,
)

# Drama is in 4 lists, War in 2, Action and Comedy in 1.
GENRES = [
    ["Action", "Drama", "War"],
    ["Drama", "War", "Drama"],
    ["Drama", "Comedy"],
    [],
    None,
    ["Drama", None, ""],
]
RAREST = declare(kind="rarest")


def test_the_rarest_value_is_the_one_that_the_fewest_items_have():
    vocabulary, schema, found = encoded(lists(GENRES), RAREST)
    assert vocabulary == [
        ("Action", 2, 1),
        ("Comedy", 3, 1),
        ("Drama", 4, 1),
        ("War", 5, 1),
    ]
    assert found == [2, 5, 3, 0, 0, 4]
    counts = {"Action": 1, "Comedy": 1, "Drama": 4, "War": 2}
    assert schema == meaning("rarest") | {"size": 6, "counts": counts}


def test_of_equally_rare_values_the_first_is_read():
    vocabulary, _, found = encoded(lists([["b", "c", "a"], ["c", "b"]]), RAREST)
    assert vocabulary == [("a", 2, 1), ("b", 3, 1)]
    assert found == [2, 3]


def test_counts_are_of_items_in_the_training():
    items = lists([["a", "b"], ["b"], ["a"], ["a"]], n_train=[1, 1, 0, 0])
    _, schema, found = encoded(items, RAREST)
    assert schema["counts"] == {"a": 1, "b": 2}
    assert found == [2, 3, 2, 2]


def test_a_value_that_the_training_lacks_is_read_only_where_there_is_no_other():
    items = lists([["a", "b"], ["b"], ["z", "b"], ["z", "y"]], n_train=[1, 1, 0, 0])
    assert encoded(items, RAREST)[2] == [2, 3, 3, 1]


def test_rarest_values_of_few_items_are_out_of_vocabulary():
    feature = declare(kind="rarest", min_count=2)
    assert encoded(lists([["a"], ["b"], ["b"]]), feature)[2] == [1, 2, 2]


def grow(first, items):
    """Return vocabulary and ids of a training, and of one that grows from it."""
    deployed, schema, before = encoded(lists(first), RAREST)
    grown, schema, after = encoded(lists(items), RAREST, deployed, schema)
    return before, (grown, after), schema


# covers: L28
def test_an_item_keeps_its_rarest_value_when_counts_change_order():
    first = [["Drama", "War"], ["Drama"]]
    before, (grown, after), schema = grow(first, [*first, *[["War"]] * 5])
    assert schema["counts"] == {"Drama": 2, "War": 1}
    assert after[:2] == before == [3, 2]
    assert grown == [("Drama", 2, 1), ("War", 3, 6)]


# covers: L28
def test_a_new_value_counts_above_the_deployed_ones():
    first = [["Drama", "War"], ["Drama"]]
    tagged = [["Drama", "War", "Noir"], ["Drama"], ["Noir"], ["Noir", "Epic"]]
    before, (_, after), schema = grow(first, tagged)
    assert schema["counts"] == {"Drama": 2, "War": 1, "Noir": 2 + 3, "Epic": 2 + 1}
    assert after == [*before, 5, 4]


def test_sequencing_encodes_the_rarest_genre_and_the_set_of_genres():
    features = {
        "item": {
            "primary": {"kind": "rarest", "column": "genres"},
            "set": {"kind": "value_set", "column": "genres"},
        },
        "user": None,
    }
    tables, _ = sequence(some_interactions(), features=features)
    genres = some_items().order_by("item_id").to_pyarrow()["genres"].to_pylist()
    vocabulary = tables["item_vocabulary"].order_by("item").to_pyarrow()
    of_items = [genres[i - 1] for i in vocabulary["item_id"].to_pylist()]
    is_trained = vocabulary["n_train"].to_numpy() > 0
    trained = [one for one, is_in in zip(of_items, is_trained, strict=True) if is_in]
    counts = {value: sum(value in x for x in trained) for x in trained for value in x}
    columns = tables["item_features"].order_by("item").to_pyarrow()

    def decoded(feature):
        own = tables["feature_vocabulary"].filter(
            tables["feature_vocabulary"].feature == feature
        )
        names = {0: None, 1: "?"} | dict(rows(own, "id", "value"))
        return [names[i] for i in columns[feature].to_pylist()]

    expected = [min(x, key=lambda v: (counts[v], v)) if x else None for x in of_items]
    np.testing.assert_array_equal(decoded("primary"), expected)
    expected = ["|".join(sorted(x)) or None for x in of_items]
    np.testing.assert_array_equal(decoded("set"), expected)


# covers: L28
def test_retraining_keeps_the_rarest_values_of_deployed_items():
    primary = {"kind": "rarest", "column": "genres"}
    features = {"item": {"primary": primary}, "user": None}
    items, events = some_items(), some_interactions()
    before, _ = sequence(events, items=items, features=features)
    # Eight new items of War alone: War is in 12 items then, Drama in 8.
    new = ibis.memtable(
        pa.table({"item_id": range(13, 21), "genres": [["War"]] * 8})
    ).select("item_id", "genres")
    visits = [(user, item, 200 + item) for user in (21, 22) for item in range(13, 21)]
    visits.append((22, 1, 250))
    after, _ = sequence(
        events.union(interactions(*visits)),
        items=items.select("item_id", "genres").union(new),
        features=features,
        grown_from=before,
    )
    ids = [
        dict(rows(table["item_features"], "item", "primary"))
        for table in (before, after)
    ]
    assert {item: ids[1][item] for item in ids[0]} == ids[0]
    assert set(ids[0].values()) == {0, 2, 3}
    trained = after["item_vocabulary"].filter(ibis._.n_train > 0)
    of_trained = [ids[1][item] for (item,) in rows(trained, "item")]
    counted = {code: of_trained.count(code) for code in (2, 3)}
    assert dict(rows(after["feature_vocabulary"], "id", "count")) == counted
