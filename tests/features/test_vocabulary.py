import ibis
import pytest

from tests.features.tables import as_table, declare, encoded, entities, numbered
from tests.sequences.tables import rows
from two_tower.features.vocabulary import feature_vocabulary, with_columns

CATEGORY = declare(kind="categorical")
VOCABULARY = ibis.memtable({"item": [2, 3], "item_id": ["a", "b"], "n_train": [1, 1]})
ITEMS = ibis.memtable({"item_id": ["b", "z"], "year": [1, 2], "n": [[1], [2]]})


def test_columns_come_by_id_and_are_null_where_the_table_lacks_the_item():
    columns = {"when": declare(kind="categorical", column="year")}
    table = with_columns(VOCABULARY, "item", ITEMS, columns)
    assert rows(table.order_by("item"), "item", "when") == [(2, None), (3, 1)]


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (
            {"kind": "categorical", "column": "genre"},
            r"sequencing\.features\.item\.f needs the column 'genre'\. The items "
            r"have item_id, n, year: keep other columns",
        ),
        ({"kind": "multi_valued", "column": "year"}, "needs a list, .* is int64"),
        ({"kind": "rarest", "column": "year"}, "'rarest' and needs a list, .* int64"),
        ({"kind": "value_set", "column": "year"}, "'value_set' and needs a list, "),
        ({"kind": "words", "column": "year"}, "needs a text"),
        ({"kind": "dense", "column": "item_id"}, "needs a number"),
        ({"kind": "categorical", "column": "n"}, "needs a single value"),
    ],
)
def test_a_column_that_does_not_fit_is_refused_by_name(feature, message):
    with pytest.raises(ValueError, match=message):
        with_columns(VOCABULARY, "item", ITEMS, {"f": declare(**feature)})


# covers: L28
def test_deployed_values_keep_their_ids_and_new_ones_come_after():
    deployed, schema, _ = encoded(entities(["m", "c", "m"]), CATEGORY)
    feature = declare(kind="categorical", min_count=2)
    items = entities(["a", "m", "b", "a"])
    grown, schema, found = encoded(items, feature, deployed, schema)
    assert grown == [("c", 2, 0), ("m", 3, 1), ("a", 4, 2)]
    assert found == [4, 3, 1, 4]
    assert schema["size"] == 5


def test_values_grow_from_those_of_their_own_entity_and_feature():
    deployed = as_table([("z", 2, 1)])
    of_feature = deployed.mutate(feature=ibis.literal("g"))
    others = of_feature.union(deployed.mutate(entity=ibis.literal("user")))
    grown = numbered(entities(["a"]), CATEGORY, others)
    assert grown == [("a", 2, 1)]


def test_without_features_the_vocabulary_has_its_columns_and_no_row():
    table = feature_vocabulary(entities(["a", "b"]), "item", {})
    assert rows(table) == []
    assert table.columns == ("entity", "feature", "value", "id", "count")
