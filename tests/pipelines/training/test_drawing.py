import pytest
from kedro.io import DataCatalog
from kedro_viz.data_access import data_access_manager

from tests.training.tiny import parameters
from two_tower.pipelines.training.drawing import draw_towers
from two_tower.pipelines.training.pipeline import create_pipeline

PROFILE = {"profile": {"use": True}}


def arrows(drawing: str) -> set[str]:
    return {line.strip() for line in drawing.splitlines() if "-->" in line}


def box(drawing: str, name: str) -> list[str]:
    """Return the lines of a box."""
    (line,) = [one for one in drawing.splitlines() if one.startswith(f"{name}[")]
    return line.removeprefix(f'{name}["').removesuffix('"]').split("<br/>")


def test_the_item_tower_serves_histories_and_candidates():
    assert arrows(draw_towers(parameters())) == {
        "candidates --> item_tower",
        'item_tower -- "item vectors" --> score',
        "history --> item_tower --> encoder",
        'encoder -- "query vectors" --> score',
        "score --> loss",
        "negatives --> loss",
    }


def test_history_items_may_have_a_tower_of_their_own():
    drawing = draw_towers(parameters({"history_items": "separate"}))
    assert "history --> history_item_tower --> encoder" in arrows(drawing)


@pytest.mark.parametrize(
    ("kind", "queries"),
    [
        (
            "mean",
            {
                "encoder --> fusion",
                "profile --> fusion",
                'fusion -- "query vectors" --> score',
            },
        ),
        ("none", {'profile -- "query vectors" --> score'}),
    ],
)
def test_a_profile_is_drawn_beside_the_history_or_alone(kind, queries):
    drawing = draw_towers(parameters(PROFILE, {"history": {"kind": kind}}))
    found = arrows(drawing)
    assert {one for one in found if "fusion" in one or "query" in one} == queries
    assert "users --> profile" in found


def test_a_box_lists_the_options_that_are_on():
    options = {"use_id": False, "features": {"year": True, "genres": False}, "l2": 0.1}
    drawing = draw_towers(parameters({"item_tower": options}))
    lines = box(drawing, "item_tower")
    assert lines[0] == "<b>item tower</b>"
    assert {"use_features", "features: year, no genres", "l2 0.1"} < set(lines)
    assert not {"use_id", "id_dropout 0.0", "mlp None"} & set(lines)
    assert box(drawing, "encoder")[:2] == [
        "<b>history: mean</b>",
        "hidden_units 16, 16",
    ]


def test_the_preview_draws_the_parameters_in_force(monkeypatch):
    training = parameters({"history": {"kind": "transformer"}})
    catalog = DataCatalog()
    catalog["params:training"] = training
    monkeypatch.setattr(data_access_manager.catalog, "_catalog", catalog, raising=False)
    nodes = {node.short_name: node for node in create_pipeline().nodes}
    drawing = nodes["train_two_tower"].preview()
    assert drawing.content == draw_towers(training)
    assert "history: transformer" in drawing.content
