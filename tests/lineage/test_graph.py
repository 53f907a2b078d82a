"""Questions to the registered pipelines."""

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from tests.lineage.small_runs import add, copy
from two_tower.lineage import graph

COPYING = Pipeline([Node(copy, "raw", "scaled", name="copy")])
ADDING = Pipeline(
    [
        Node(add, ["raw", "raw"], "scaled", name="add"),
        Node(add, ["scaled", "params:more"], "added", name="copy"),
    ]
)


@pytest.fixture
def register(monkeypatch):
    return lambda **pipelines: monkeypatch.setattr(graph, "pipelines", pipelines)


@pytest.fixture
def catalog():
    memory = {"type": "MemoryDataset"}
    unrecorded = {**memory, "metadata": {"lineage": False}}
    return DataCatalog.from_config(
        {
            **dict.fromkeys(("raw", "scaled", "params:more"), memory),
            "store": unrecorded,
            "params:store": unrecorded,
        }
    )


@pytest.mark.parametrize("default_first", [True, False])
def test_the_producer_in_the_default_pipeline_wins(register, default_first):
    both = {"__default__": COPYING, "adding": ADDING}
    register(**(both if default_first else dict(reversed(both.items()))))
    assert graph.find_producers() == {"scaled": "copy", "added": "copy"}


def test_sources_are_read_and_not_made(register):
    register(adding=ADDING, copying=COPYING)
    assert graph.find_sources() == {"raw"}


def test_a_pipeline_that_holds_all_datasets_is_found_the_default_one_first(register):
    register(adding=ADDING, __default__=COPYING)
    assert graph.find_holder(["raw", "scaled"]) == "__default__"
    assert graph.find_holder(["added", "raw"]) == "adding"
    assert graph.find_holder(["raw", "unknown"]) is None


def test_a_maker_has_the_node_and_its_inputs(register, catalog):
    register(adding=ADDING, copying=COPYING)
    assert graph.find_maker("copy", ["scaled"], catalog) == "adding"
    assert graph.find_maker("copy", ["raw"], catalog) == "copying"
    assert graph.find_maker("copy", ["raw", "scaled"], catalog) is None
    assert graph.find_maker("other", ["raw"], catalog) is None
    register(copying=COPYING, __default__=COPYING)
    assert graph.find_maker("copy", ["raw"], catalog) == "__default__"


def test_only_inputs_with_lineage_are_listed(catalog):
    inputs = ["store", "scaled", "raw", "params:store", "params:more"]
    node = Node(lambda *_: 1, inputs, "x", name="node")
    assert graph.find_inputs(node, catalog) == ["raw", "scaled"]
    assert graph.find_parameters(node, catalog) == ["params:more"]


def test_recorded_inputs_are_made_by_other_pipelines(register, catalog):
    register(copying=COPYING)
    reading = Pipeline([Node(add, ["raw", "scaled"], "sum", name="read")])
    assert [*graph.find_recorded_inputs(reading, catalog)] == ["scaled"]


def test_sources_of_one_file_are_twins(register):
    reading = Pipeline(
        [
            Node(add, ["left", "right"], "a", name="first"),
            Node(add, ["other", "memory"], "b", name="second"),
        ]
    )
    register(__default__=reading)
    json_type = "two_tower.datasets.atomic_files.AtomicJSONDataset"
    paths = {"left": "a.json", "right": "a.json", "other": "b.json"}
    entries = {
        name: {"type": json_type, "filepath": path} for name, path in paths.items()
    }
    catalog = DataCatalog.from_config({**entries, "memory": {"type": "MemoryDataset"}})
    assert graph.find_twins("right", catalog) == ["right", "left"]
    assert graph.find_twins("other", catalog) == ["other"]
    assert graph.find_twins("memory", catalog) == ["memory"]
