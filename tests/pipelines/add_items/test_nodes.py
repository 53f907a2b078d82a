import logging
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
import yaml
from kedro.validation import TypeExtractor
from pydantic import ValidationError

from tests.serving.build import make_query_tower, shared_tower
from two_tower.pipelines.add_items.nodes import add_new_items
from two_tower.pipelines.add_items.params import AddItems
from two_tower.pipelines.add_items.pipeline import create_pipeline

CONF = Path(__file__).parents[3] / "conf" / "base"
ITEMS = ibis.memtable(
    pa.table(
        {
            "item_id": ["z", "a", "y"],
            "title": ["Zulu", "Film a", None],
            "genres": [["Drama"], ["Action"], ["Comedy"]],
            "year": [1995, 1985, 1990],
        }
    )
)


def add(items="all"):
    parameters = AddItems.model_validate({"items": items})
    tower, vocabulary = add_new_items(shared_tower(), ITEMS, parameters)
    return tower, vocabulary.to_pyarrow()["item_id"].to_pylist()


# covers: L28 X11
def test_all_new_items_are_appended(caplog):
    caplog.set_level(logging.INFO)
    tower, ids = add()
    assert ids == [*"abcdef", "y", "z"]
    assert tower.vocabularies.items["item_id"].to_pylist() == ids
    assert "added 2 items to 6" in caplog.text


def test_only_listed_items_are_added():
    assert add(["z", "a"])[1] == [*"abcdef", "z"]


def test_deployed_items_are_not_added_again(caplog):
    caplog.set_level(logging.INFO)
    assert add(["a"])[1] == [*"abcdef"]
    assert "added 0 items to 6" in caplog.text


def test_listed_items_without_a_row_are_named():
    with pytest.raises(ValueError, match=r"1 of 2 items .* not in raw_items: nowhere"):
        add(["z", "nowhere"])


# covers: L1
def test_a_model_without_item_features_takes_no_new_items():
    tower = make_query_tower()
    tower.towers.item_tower.features = {}
    with pytest.raises(ValueError, match=r"no item features.*train with item features"):
        add_new_items(tower, ITEMS, AddItems(items="all"))


@pytest.mark.parametrize("items", [[], "some", [True]])
def test_invalid_parameters_are_refused(items):
    with pytest.raises(ValidationError):
        AddItems.model_validate({"items": items})


def test_the_parameters_in_conf_add_all_items():
    text = (CONF / "parameters" / "add_items.yml").read_text()
    assert AddItems.model_validate(yaml.safe_load(text)["add_items"]).items == "all"


def test_kedro_sees_the_type_of_the_parameters():
    types = TypeExtractor({"add_items": create_pipeline()})
    assert types.extract_types_from_pipelines() == {"add_items": AddItems}
