import numpy as np
import pyarrow as pa
import pytest

from tests.training.tiny import parameters
from two_tower.towers.features import Feature
from two_tower.training.features import (
    chosen_features,
    fit_to_features,
    undeclared_features,
    wanted_features,
)
from two_tower.training.inputs import read_features

SCHEMA = {
    "genres": {"kind": "multi_valued", "size": 6},
    "year": {"kind": "categorical", "size": 5},
    "length": {"kind": "dense"},
}
TABLE = pa.table(
    {
        "item": pa.array([4, 2, 3], pa.int32()),
        "genres": pa.array([[2, 5], [], [3]], pa.list_(pa.int32())),
        "year": pa.array([2, 3, 0], pa.int32()),
        "length": pa.array([0.5, -1.0, 0.0], pa.float32()),
    }
)


DECLARED = {"item": SCHEMA, "user": {"gender": {"kind": "categorical"}}}
INTERESTS = {
    "history": {"kind": "multi_interest"},
    "objective": {"kind": "interest_softmax"},
    "negatives": {"kind": "in_batch"},
}
PROFILE = {"use": True}
TABLES = [{"buckets": 5, "dimension": 4}]


def chosen_of(schema=SCHEMA, **options):
    return list(chosen_features(schema, parameters({"item_tower": options}).item_tower))


def test_a_switch_leaves_a_feature_out():
    assert chosen_of(features={"genres": False}) == ["year", "length"]


def test_features_without_a_switch_or_with_true_are_in():
    assert chosen_of(features={"year": True}) == list(SCHEMA)


def test_an_opt_in_feature_is_in_only_where_a_switch_says_so():
    schema = SCHEMA | {"set": {"kind": "value_set", "size": 4, "opt_in": True}}
    assert chosen_of(schema) == list(SCHEMA)
    assert chosen_of(schema, features={"set": False}) == list(SCHEMA)
    assert chosen_of(schema, features={"set": True}) == [*SCHEMA, "set"]
    assert chosen_of(schema, use_features=False, features={"set": True}) == []


def test_all_features_can_be_left_out():
    assert chosen_of(use_features=False) == []


# covers: L29
@pytest.mark.parametrize("group", ["features", "hashes"])
@pytest.mark.parametrize(
    ("tower", "entity"), [("item_tower", "item"), ("profile", "user")]
)
def test_a_switch_of_a_feature_that_is_not_there_names_those_that_are(
    tower, entity, group
):
    option = False if group == "features" else TABLES
    asked = parameters({"profile": PROFILE}, {tower: {group: {"tags": option}}})
    with pytest.raises(ValueError, match=rf"{tower}\.{group} names 'tags'") as raised:
        fit_to_features(asked, DECLARED)
    assert f"(these have {', '.join(sorted(DECLARED[entity]))})" in str(raised.value)
    assert f"features: {{ {entity}: {{ tags: {{ kind" in str(raised.value)


def test_options_of_towers_that_are_not_used_may_name_anything():
    asked = parameters({"profile": {"features": {"tags": True}}})
    assert fit_to_features(asked, DECLARED) == asked


def test_optional_features_are_left_out_where_they_are_not_declared():
    options = {"features": {"tags": True, "year": True}, "hashes": {"tags": TABLES}}
    asked = parameters({"item_tower": options, "optional_features": ["tags", "year"]})
    fitted = fit_to_features(asked, DECLARED)
    assert (fitted.item_tower.features, fitted.item_tower.hashes) == (
        {"year": True},
        {},
    )
    assert undeclared_features(asked, DECLARED) == {"tags"}


def category_of(schema, *changes, category=()):
    history = {"multi_interest": {"category": [*category]}}
    asked = parameters(INTERESTS, {"history": history}, *changes)
    fitted = fit_to_features(asked, {"item": schema, "user": {}})
    return fitted.history.multi_interest.category


# covers: A8
@pytest.mark.parametrize(
    ("category", "features", "expected"),
    [
        (["year"], ["genres", "year", "length"], ["year"]),
        (["year", "tags"], ["genres", "year", "length"], ["year"]),
        (["tags"], ["genres", "year", "length"], ["genres", "year"]),
        ([], ["length"], ["id"]),
        ([], [], ["id"]),
        (["id"], ["genres"], ["id"]),
    ],
)
def test_a_category_is_made_of_what_the_data_declare(category, features, expected):
    schema = {name: SCHEMA[name] for name in features}
    optional = {"optional_features": ["tags"]}
    assert category_of(schema, optional, category=category) == expected


def test_without_ids_a_number_is_the_category():
    ids = {"item_tower": {"use_id": False}}
    assert category_of({"length": {"kind": "dense"}}, ids) == ["length"]


# covers: A8
@pytest.mark.parametrize(
    "tower", [{"features": {"genres": False}}, {"use_features": False}]
)
def test_a_category_that_the_item_tower_does_not_read_is_refused(tower):
    message = r"does not read; .*Set training\.item_tower\.features\.genres=true"
    with pytest.raises(ValueError, match=message):
        category_of(SCHEMA, {"item_tower": tower}, category=["genres"])


ALONE = {"use_id": False}


@pytest.mark.parametrize(
    ("change", "schema", "message"),
    [
        ({"item_tower": ALONE}, {}, "use_id is false and the items have no features"),
        ({"item_tower": {"id_dropout": 0.1}}, {}, r"id_dropout is 0\.1, but the items"),
        ({"profile": PROFILE | ALONE}, SCHEMA, "profile.use_id is false and the users"),
        (
            {"item_tower": {"features": {"year": False}, "hashes": {"year": TABLES}}},
            SCHEMA,
            "hashes names year, which the tower does not read; it reads genres, id",
        ),
        ({"item_tower": {"hashes": {"length": TABLES}}}, SCHEMA, "it is a number"),
        (
            {"self_supervision": {"kind": "rfm"}},
            {"length": SCHEMA["length"]},
            "'rfm', .* only id to mask; declare another feature",
        ),
    ],
)
def test_what_the_declared_features_cannot_do_is_refused(change, schema, message):
    asked = parameters(change)
    with pytest.raises(ValueError, match=message):
        fit_to_features(asked, {"item": schema, "user": {}})


def test_the_wanted_features_are_those_that_towers_name_and_need():
    features = {"tags": True, "year": True, "genres": False}
    asked = parameters(
        {"item_tower": {"features": features}, "optional_features": ["tags"]}
    )
    assert wanted_features(asked, "item") == {"year"}
    assert wanted_features(asked, "user") == set()


def test_values_lie_in_the_rows_of_their_dense_ids():
    features, values = read_features(TABLE, SCHEMA, "item", 6)
    assert features == {
        "genres": Feature("multi_valued", 6, 2),
        "year": Feature("categorical", 5, 1),
        "length": Feature("dense", 1, 1),
    }
    # Rows 0, 1 and 5 are padding, unknown items, and one without features.
    assert values["genres"].tolist() == [[0, 0]] * 2 + [[0, 0], [3, 0], [2, 5], [0, 0]]
    assert values["year"].ravel().tolist() == [0, 0, 3, 0, 2, 0]
    assert values["length"].ravel().tolist() == [0, 0, -1, 0, 0.5, 0]
    types = {name: array.dtype for name, array in values.items()}
    assert types == {"genres": np.int32, "year": np.int32, "length": np.float32}


@pytest.mark.parametrize("kind", ["rarest", "value_set"])
def test_one_value_out_of_a_list_is_a_category_to_towers(kind):
    schema = {"year": {"kind": kind, "size": 5}}
    features, values = read_features(TABLE, schema, "item", 6)
    assert features == {"year": Feature("categorical", 5, 1)}
    assert values["year"].ravel().tolist() == [0, 0, 3, 0, 2, 0]


def test_a_feature_that_no_item_has_is_one_padding_value():
    empty = pa.array([[], [], []], pa.list_(pa.int32()))
    table = TABLE.set_column(1, "genres", empty)
    features, values = read_features(table, SCHEMA, "item", 6)
    assert features["genres"].width == 1
    assert not values["genres"].any()
