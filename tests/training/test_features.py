from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from two_tower.towers.features import Feature
from two_tower.training.inputs import chosen_features, read_features

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


def chosen_of(**options):
    return chosen_features(SCHEMA, tower="profile", **{"use_features": True} | options)


def test_a_switch_leaves_a_feature_out():
    chosen = chosen_of(switches={"genres": False})
    assert list(chosen) == ["year", "length"]


def test_features_without_a_switch_or_with_true_are_in():
    chosen = chosen_of(switches={"year": True})
    assert chosen == SCHEMA


def test_an_opt_in_feature_is_in_only_where_a_switch_says_so():
    schema = SCHEMA | {"set": {"kind": "value_set", "size": 4, "opt_in": True}}
    choose = partial(chosen_features, schema, tower="item_tower", use_features=True)
    assert list(choose(switches={})) == list(SCHEMA)
    assert list(choose(switches={"set": False})) == list(SCHEMA)
    assert list(choose(switches={"set": True})) == [*SCHEMA, "set"]
    assert choose(use_features=False, switches={"set": True}) == {}


def test_all_features_can_be_left_out():
    assert chosen_of(use_features=False, switches={}) == {}


# covers: L29
def test_a_switch_of_a_feature_that_is_not_there_names_those_that_are():
    with pytest.raises(
        ValueError, match=r"profile.*\['tags'\], but the data have \['genres'"
    ):
        chosen_of(switches={"tags": False})


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
