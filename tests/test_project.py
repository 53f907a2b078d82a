"""What holds for the project as a whole, whichever stages it has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline.node import Node
from kedro.validation.type_extractor import TypeExtractor
from kedro_viz.data_access import DataAccessManager
from kedro_viz.server import populate_data

PROJECT = Path(__file__).parents[1]
FOLDERS = {
    "raw": "01_raw",
    "intermediate": "02_intermediate",
    "primary": "03_primary",
    "feature": "04_feature",
    "model_input": "05_model_input",
    "models": "06_models",
    "model_output": "07_model_output",
    "reporting": "08_reporting",
}
# Drawn in another layer than that of their folder; the catalog says why.
DRAWN_ELSEWHERE = {
    "deployed_query_tower",
    "item_index",
    "deployed_vocabularies",
    "index_report",
    "ingestion_report",
    "leakage_audit",
    "learning_curves",
    "recommendations",
    "refit_history",
    "split_report",
    "training_history",
    "training_summary",
}
ENVIRONMENTS = sorted(
    folder.name
    for folder in (PROJECT / "conf").iterdir()
    if folder.is_dir() and folder.name not in {"base", "local"}
)

bootstrap_project(PROJECT)


def all_nodes() -> list[Node]:
    return sorted({node for part in pipelines.values() for node in part.nodes}, key=str)


def all_datasets() -> list[str]:
    names = {name for part in pipelines.values() for name in part.datasets()}
    return sorted(name for name in names if not name.startswith("params:"))


def open_project(env: str | None = None) -> Iterator[KedroContext]:
    with KedroSession.create(PROJECT, save_on_close=False, env=env) as session:
        yield session.load_context()


context = pytest.fixture(scope="module")(lambda: next(open_project()))


@pytest.fixture(scope="module")
def config(context) -> dict[str, dict[str, Any]]:
    """The catalog's entry for each dataset of the pipelines."""
    resolver = context.catalog.config_resolver
    return {name: resolver.resolve_pattern(name) for name in all_datasets()}


def test_the_default_is_everything_from_ingestion_on():
    stages = "ingestion sequencing training export indexing evaluation recommendation"
    expected = {node.name for name in stages.split() for node in pipelines[name].nodes}
    assert {node.name for node in pipelines["__default__"].nodes} == expected


@pytest.mark.parametrize("box", ["data", "model", "evaluation", "recommendation"])
def test_a_box_of_the_default_pipeline_runs_by_its_name(box):
    # `kedro run --namespaces <box>` and `kedro run --pipelines <box>` are the same.
    inside = pipelines["__default__"].only_nodes_with_namespaces([box])
    assert inside.nodes == pipelines[box].nodes


@pytest.mark.parametrize("name", sorted(pipelines))
def test_each_node_runs_by_its_name_and_by_one_tag(name):
    pipeline = pipelines[name]
    tagged = [pipeline.only_nodes_with_tags(tag).nodes for tag in ("cpu", "gpu")]
    assert sorted(node.name for part in tagged for node in part) == sorted(
        node.name for node in pipeline.nodes
    )
    for node in pipeline.nodes:
        assert pipeline.only_nodes(node.name).nodes == [node]


def test_the_default_pipeline_reads_only_raw_tables():
    inputs = pipelines["__default__"].inputs()
    assert {name for name in inputs if not name.startswith("params:")} == {
        "raw_interactions",
        "raw_items",
        "raw_users",
    }


def test_every_stage_stands_by_itself_in_the_registry():
    stages = {path.name for path in (PROJECT / "src/two_tower/pipelines").glob("[!_]*")}
    assert stages <= pipelines.keys()


@pytest.mark.parametrize("node", all_nodes(), ids=lambda node: node.name)
def test_a_node_carries_the_name_of_its_function(node):
    assert node.short_name == node.func.__name__


def test_a_name_stands_for_one_function():
    # The function of a node may take more inputs in another pipeline.
    functions = {node.func for node in all_nodes()}
    assert len({function.__name__ for function in functions}) == len(functions)


def test_retraining_makes_all_that_a_first_training_makes():
    assert pipelines["retrain"].all_outputs() == pipelines["__default__"].all_outputs()


def test_a_refit_replaces_what_is_deployed_and_leaves_what_was_evaluated():
    made = pipelines["refit"].all_outputs()
    of_data = {"items", "items_counts", "item_vocabulary"}
    assert made >= pipelines["add_items"].all_outputs() - of_data | {"recommendations"}
    kept = pipelines["data"].all_outputs() | pipelines["evaluation"].all_outputs()
    assert not made & (kept | {"two_tower_model", "training_history", "test_queries"})


def test_items_are_added_without_training_or_reading_interactions():
    made = pipelines["add_items"].all_outputs()
    assert made >= {"query_tower", "item_embeddings", "user_embeddings", "item_index"}
    assert not made & {"two_tower_model", "interactions", "training_history"}
    assert "raw_interactions" not in pipelines["add_items"].inputs()


@pytest.mark.parametrize("node", all_nodes(), ids=lambda node: node.name)
def test_the_hints_of_a_node_exist_at_run_time(node):
    # Kedro only warns of one that doesn't, and then checks no parameter of the node.
    assert "return" in get_type_hints(node.func)


def test_every_parameter_of_a_node_is_typed_and_checked():
    asked = {name for node in all_nodes() for name in node.inputs}
    assert "parameters" not in asked
    checked = TypeExtractor(dict(pipelines)).extract_types_from_pipelines()
    groups = tuple(f"params:{name}" for name in checked)
    # An option is checked with its group.
    options = tuple(f"{group}." for group in groups)
    unchecked = {
        name
        for name in asked - {*groups}
        if name.startswith("params:") and not name.startswith(options)
    }
    assert unchecked == {
        "params:sequencing.window",  # a whole number, which its node checks by itself
        "params:lineage",  # two stores of the catalog
        "params:training_checkpoints",
    }


def layer_of(entry: dict[str, Any]) -> str:
    return entry["metadata"]["kedro-viz"]["layer"]


@pytest.mark.parametrize("name", all_datasets())
def test_a_dataset_lies_in_the_folder_of_its_layer(name, config):
    place = Path(config[name]["filepath"]).relative_to(PROJECT / "data").parts[0]
    expected = FOLDERS[layer_of(config[name])]
    assert (place == expected) == (name not in DRAWN_ELSEWHERE)


@pytest.fixture(scope="module")
def viz(context) -> DataAccessManager:
    """What Kedro-Viz knows of the project."""
    manager = DataAccessManager()
    populate_data(manager, context.catalog, dict(pipelines), {})
    return manager


@pytest.mark.parametrize("name", sorted(pipelines))
def test_kedro_viz_draws_the_layers_of_each_pipeline_in_order(name, config, viz):
    names = [part for part in pipelines[name].datasets() if part in config]
    # These read two layers of which they make none from the other.
    unlinked = {"refit": {"intermediate"}, "recommendation": {"intermediate"}}
    drawn = {layer_of(config[part]) for part in names} - unlinked.get(name, set())
    found = viz.get_sorted_layers_for_registered_pipeline(name)
    assert [layer for layer in found if layer in drawn] == [
        layer for layer in FOLDERS if layer in drawn
    ]


def test_outputs_of_each_data_set_lie_apart(config):
    made = {name for node in all_nodes() for name in node.outputs}
    below = {Path(config[name]["filepath"]).parts[-3:] for name in made}
    inside = {parts for parts in below if "simulated" in parts}
    # What simulation makes is what the data set is read from, not made from it.
    simulated = {config[name]["filepath"] for name in pipelines["simulation"].outputs()}
    assert below - inside == {Path(path).parts[-3:] for path in simulated}


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_an_environment_only_overrides_what_the_base_declares(env):
    base = {key for file in (PROJECT / "conf/base/catalog").glob("*.yml")
            for key in yaml.safe_load(file.read_text())}  # fmt: skip
    files = (PROJECT / "conf" / env).rglob("catalog*.yml")
    keys = {key for file in files for key in yaml.safe_load(file.read_text())}
    assert {key for key in keys if not key.startswith("_")} <= base


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_an_environment_opens_with_valid_parameters(env):
    catalog = next(open_project(env)).catalog
    for name in all_datasets():
        catalog.release(name)  # opens it first; Kedro-Viz does so for each


@pytest.mark.parametrize(
    "preset",
    sorted(path.stem for path in (PROJECT / "conf/base/parameters/presets").iterdir()),
)
def test_a_preset_gives_valid_parameters(preset):
    with KedroSession.create(
        PROJECT, save_on_close=False, runtime_params={"preset": preset}
    ) as session:
        assert session.load_context().params["training"]
