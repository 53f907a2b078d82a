import pytest
from pydantic import ValidationError

from two_tower.pipelines.ingestion.params import Ingestion

SOUND = {
    "ids": {"user_id": "integer", "item_id": "text"},
    "timestamps": "seconds",
    "separator": "|",
    "years": {"first": 1971, "last": 2099},
    "decimal": ".",
    "missing": [],
    "invalid": "refuse",
    "columns": {
        "interactions": {"event_id": None, "user_id": "u", "item_id": "i"}
        | {"timestamp": "t", "rating": None},
        "items": {"item_id": "i", "title": None},
        "users": {"user_id": "u"},
    },
    "features": {"items": [], "users": []},
}


def feature(name, column="c", kind="text"):
    return {"name": name, "column": column, "type": kind}


def test_sound_parameters_pass():
    assert Ingestion.model_validate(SOUND).columns.interactions.item_id == "i"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"timestamps": "days"}, "timestamps"),
        ({"separator": ""}, "separator"),
        ({"ids": {"user_id": "float", "item_id": "text"}}, "user_id"),
        ({"colums": {}}, "colums"),
        ({"features": {"items": [feature("a", kind="words")], "users": []}}, "type"),
        ({"features": {"items": [feature("a", column="")], "users": []}}, "column"),
        (
            {"features": {"items": [feature("title")], "users": []}},
            "called 'title'",
        ),
        (
            {"features": {"items": [], "users": [feature("user_id")]}},
            "called 'user_id'",
        ),
        (
            {"features": {"items": [feature("a"), feature("a")], "users": []}},
            "called 'a'",
        ),
    ],
)
def test_unfit_parameters_are_refused_by_name(changed, named):
    with pytest.raises(ValidationError, match=named):
        Ingestion.model_validate(SOUND | changed)


def test_one_column_may_be_kept_under_two_names():
    twice = [feature("a"), feature("b", kind="number")]
    parameters = Ingestion.model_validate(
        SOUND | {"features": {"items": twice, "users": []}}
    )
    assert [one.name for one in parameters.features.items] == ["a", "b"]
