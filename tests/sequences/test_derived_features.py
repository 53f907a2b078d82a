"""One value out of a list: the rarest, or all together."""

import ibis
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from tests.sequences.tables import (
    interactions,
    parameters,
    rows,
    sequence,
    some_interactions,
    some_items,
)
from two_tower.features.encoding import describe_features, encode_features
from two_tower.features.params import DeclaredFeature, Features
from two_tower.features.vocabulary import feature_vocabulary, with_columns

GENRES = [
    ["Action", "Drama", "War"],
    ["Drama", "War", "Drama"],
    ["Drama", "Comedy"],
    [],
    None,
    ["Drama", None, ""],
]
# Drama is in 4 lists, War in 2, Action and Comedy in 1.
RAREST = DeclaredFeature(kind="rarest")
VALUE_SET = DeclaredFeature(kind="value_set")


def known(lists, n_train=None, dtype=None):
    """Return items 2, 3, … with lists as their feature `f`; all known to training."""
    n = len(lists)
    return ibis.memtable(
        pa.table(
            {
                "item": pa.array(range(2, n + 2), pa.int32()),
                "n_train": pa.array(n_train or [1] * n, pa.int64()),
                "f": pa.array(lists, dtype or pa.list_(pa.string())),
            }
        )
    )


def of_training(items, feature, **grown_from):
    """Return vocabulary, schema and codes of a feature `f`."""
    features = {"f": feature}
    table = feature_vocabulary(
        items,
        "item",
        features,
        grown_from.get("vocabulary"),
        grown_from.get("schema"),
    )
    schema = describe_features(items, "item", table, features, grown_from.get("schema"))
    codes = encode_features(items, "item", table, features, schema)
    numbered = rows(table.order_by("id"), "value", "id", "count")
    return numbered, schema, [code for (code,) in rows(codes, "f")]


def test_the_rarest_value_is_the_one_that_the_fewest_items_have():
    vocabulary, schema, codes = of_training(known(GENRES), RAREST)
    assert vocabulary == [
        ("Action", 2, 1),
        ("Comedy", 3, 1),
        ("Drama", 4, 1),
        ("War", 5, 1),
    ]
    assert codes == [2, 5, 3, 0, 0, 4]
    counts = {"Action": 1, "Comedy": 1, "Drama": 4, "War": 2}
    meaning = {"kind": "rarest", "column": "f", "prefix": None}
    assert schema == {"f": meaning | {"size": 6, "counts": counts}}


def test_of_equally_rare_values_the_first_is_taken():
    vocabulary, _, codes = of_training(known([["b", "c", "a"], ["c", "b"]]), RAREST)
    assert vocabulary == [("a", 2, 1), ("b", 3, 1)]
    assert codes == [2, 3]


def test_rarest_is_by_the_items_that_training_knows():
    items = known([["a", "b"], ["b"], ["a"], ["a"]], n_train=[1, 1, 0, 0])
    _, schema, codes = of_training(items, RAREST)
    assert schema["f"]["counts"] == {"a": 1, "b": 2}
    assert codes == [2, 3, 2, 2]


def test_what_training_lacks_is_taken_only_where_there_is_nothing_else():
    items = known([["a", "b"], ["b"], ["z", "b"], ["z", "y"]], n_train=[1, 1, 0, 0])
    assert of_training(items, RAREST)[2] == [2, 3, 3, 1]


def test_rarest_values_of_few_items_are_unknown():
    feature = DeclaredFeature(kind="rarest", min_count=2)
    assert of_training(known([["a"], ["b"], ["b"]]), feature)[2] == [1, 2, 2]


def test_numbers_are_values_too():
    items = known([[10, 9], [10]], dtype=pa.list_(pa.int64()))
    assert of_training(items, RAREST)[0] == [("10", 2, 1), ("9", 3, 1)]
    assert of_training(items, VALUE_SET)[0] == [("10", 2, 1), ("10|9", 3, 1)]


def test_a_value_set_is_all_values_in_order_joined():
    items = known([*GENRES, ["War", "Action", "Drama"]])
    vocabulary, schema, codes = of_training(items, VALUE_SET)
    assert vocabulary == [
        ("Action|Drama|War", 2, 2),
        ("Comedy|Drama", 3, 1),
        ("Drama", 4, 1),
        ("Drama|War", 5, 1),
    ]
    assert codes == [2, 5, 3, 0, 0, 4, 2]
    meaning = {"kind": "value_set", "column": "f", "prefix": None}
    assert schema == {"f": meaning | {"size": 6}}


def test_values_with_the_separator_make_sets_of_their_own():
    lists = [["a|b"], ["a", "b"], ["a%7Cb"], ["a|", "b"], ["a", "|b"]]
    vocabulary, _, codes = of_training(known(lists), VALUE_SET)
    assert len(vocabulary) == len(set(codes)) == 5
    assert {value for value, *_ in vocabulary} >= {"a|b", "a%7Cb", "a%257Cb"}


def test_a_set_that_training_lacks_is_unknown():
    items = known([["a", "b"], ["a"], ["b"]], n_train=[1, 1, 0])
    assert of_training(items, VALUE_SET)[2] == [3, 2, 1]


@pytest.mark.parametrize("feature", [RAREST, VALUE_SET])
def test_lists_without_any_value_are_missing(feature):
    vocabulary, schema, codes = of_training(known([[], None]), feature)
    assert (vocabulary, schema["f"]["size"], codes) == ([], 2, [0, 0])


def grow(first, items, feature):
    """Return vocabularies and codes of a training, and of one that grows from it."""
    vocabulary, schema, codes = of_training(known(first), feature)
    earlier = ibis.memtable(
        [("item", "f", *row) for row in vocabulary],
        columns=["entity", "feature", "value", "id", "count"],
    ).cast({"id": "int32"})
    grown, schema, now = of_training(
        known(items), feature, vocabulary=earlier, schema=schema
    )
    return (vocabulary, codes), (grown, now), schema["f"]


# covers: L28
@pytest.mark.parametrize(("feature", "new"), [(RAREST, 3), (VALUE_SET, 4)])
def test_known_values_keep_their_ids(feature, new):
    first = [["m", "n"], ["n"]]
    before, after, _ = grow(first, [*first, ["a", "n"], ["z"]], feature)
    assert [row[:2] for row in after[0][:2]] == [row[:2] for row in before[0]]
    # "a" is new, and so behind "n"; the set of both is no known one.
    assert after[1][:3] == [*before[1], new]
    assert max(after[1]) == after[1][3]


# covers: L28
def test_an_item_keeps_its_rarest_value_though_counts_have_turned_round():
    first = [["Drama", "War"], ["Drama"]]
    before, after, schema = grow(first, [*first, *[["War"]] * 5], RAREST)
    assert schema["counts"] == {"Drama": 2, "War": 1}
    assert after[1][:2] == before[1] == [3, 2]
    assert after[0] == [("Drama", 2, 1), ("War", 3, 6)]


# covers: L28
def test_a_value_that_is_met_later_is_behind_those_that_were_known():
    first = [["Drama", "War"], ["Drama"]]
    tagged = [["Drama", "War", "Noir"], ["Drama"], ["Noir"], ["Noir", "Epic"]]
    before, after, schema = grow(first, tagged, RAREST)
    assert schema["counts"] == {"Drama": 2, "War": 1, "Noir": 2 + 3, "Epic": 2 + 1}
    assert after[1] == [*before[1], 5, 4]


# covers: L28
def test_another_kind_than_the_known_is_refused():
    _, schema, _ = of_training(known(GENRES), RAREST)
    with pytest.raises(ValueError, match=r"'f': {'kind': 'rarest'}"):
        of_training(known(GENRES), VALUE_SET, schema=schema)


@pytest.mark.parametrize("kind", ["rarest", "value_set"])
def test_a_column_of_single_values_is_refused(kind):
    vocabulary = ibis.memtable({"item": [2], "item_id": ["a"], "n_train": [1]})
    items = ibis.memtable({"item_id": ["a"], "year": [1990]})
    feature = DeclaredFeature(kind=kind, column="year")
    with pytest.raises(ValueError, match=rf"f is '{kind}' and needs a list, .* int64"):
        with_columns(vocabulary, "item", items, {"f": feature})


def test_a_prefix_of_a_list_is_refused():
    with pytest.raises(ValidationError, match="prefix is for categorical"):
        DeclaredFeature(kind="rarest", prefix=3)


def test_the_schema_says_what_is_opt_in():
    _, schema, _ = of_training(
        known(GENRES), DeclaredFeature(kind="value_set", opt_in=True)
    )
    assert schema["f"]["opt_in"] is True
    # It may be declared otherwise later, as the ids don't depend on it.
    of_training(known(GENRES), VALUE_SET, schema=schema)


BOTH = {"column": "genres", "opt_in": True}


def test_the_project_declares_a_genre_and_the_set_of_genres_for_models_that_ask():
    declared = Features(**parameters()["features"]).of("item")
    assert declared["primary_genre"] == DeclaredFeature(kind="rarest", **BOTH)
    assert declared["genre_set"] == DeclaredFeature(kind="value_set", **BOTH)
    assert not declared["genres"].opt_in


def test_the_nodes_of_sequencing_make_them_of_items():
    features = {
        "item": {
            "primary": {"kind": "rarest", "column": "genres"},
            "set": {"kind": "value_set", "column": "genres"},
        },
        "user": None,
    }
    tables, _ = sequence(some_interactions(), features=features)
    lists = some_items().order_by("item_id").to_pyarrow()["genres"].to_pylist()
    vocabulary = tables["item_vocabulary"].order_by("item").to_pyarrow()
    of_items = [lists[i - 1] for i in vocabulary["item_id"].to_pylist()]
    is_trained = vocabulary["n_train"].to_numpy() > 0
    trained = [x for x, known in zip(of_items, is_trained, strict=True) if known]
    counts = {v: sum(v in x for x in trained) for x in trained for v in x}
    codes = tables["item_features"].order_by("item").to_pyarrow()

    def names(feature):
        own = tables["feature_vocabulary"].filter(
            tables["feature_vocabulary"].feature == feature
        )
        return {0: None, 1: "?"} | dict(rows(own, "id", "value"))

    primary, sets = names("primary"), names("set")
    expected = [min(x, key=lambda v: (counts[v], v)) if x else None for x in of_items]
    found = [primary[i] for i in codes["primary"].to_pylist()]
    np.testing.assert_array_equal(found, expected)
    expected = ["|".join(sorted(x)) or None for x in of_items]
    np.testing.assert_array_equal([sets[i] for i in codes["set"].to_pylist()], expected)


# covers: L28
def test_retraining_leaves_all_known_items_their_rarest_values():
    primary = {"kind": "rarest", "column": "genres"}
    features = {"item": {"primary": primary}, "user": None}
    items, events = some_items(), some_interactions()
    before, _ = sequence(events, items=items, features=features)
    # Eight new items of War alone, which is in four of the twelve now, Drama in eight.
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
    codes = [
        dict(rows(table["item_features"], "item", "primary"))
        for table in (before, after)
    ]
    assert {item: codes[1][item] for item in codes[0]} == codes[0]
    assert set(codes[0].values()) == {0, 2, 3}
    trained = after["item_vocabulary"].filter(ibis._.n_train > 0)
    of_trained = [codes[1][item] for (item,) in rows(trained, "item")]
    counted = {code: of_trained.count(code) for code in (2, 3)}
    assert dict(rows(after["feature_vocabulary"], "id", "count")) == counted
