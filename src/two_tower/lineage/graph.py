"""Questions to the registered pipelines: who makes a dataset, and who reads a file."""

from collections.abc import Iterable, Iterator
from typing import Any

from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node


def find_producers() -> dict[str, str]:
    """Return the node that makes each dataset, across all registered pipelines.

    A node of the default pipeline wins, since a command without `--pipelines` runs it.
    """
    default_last = sorted(pipelines, key=lambda name: name == "__default__")
    return {
        output: node.name
        for name in default_last
        for node in pipelines[name].nodes
        for output in node.outputs
    }


def find_sources() -> set[str]:
    """Return the datasets that no node makes, without parameters."""
    made = find_producers()
    read = {name for part in pipelines.values() for name in part.inputs()}
    return {name for name in read if name not in made and not is_parameter(name)}


def find_twins(source: str, catalog: DataCatalog) -> list[str]:
    """Return the sources that are read from the file of this one, itself among them.

    The tables of one archive are such sources: they change together. The datasets of
    the deployed model are not: data that a retraining has made stay, as does the model,
    when new items are added to it.
    """
    is_deployed = "output" in find_metadata(source, catalog)
    path = None if is_deployed else find_path(source, catalog)
    others = sorted(find_sources() - {source}) if path is not None else []
    return [source, *(name for name in others if find_path(name, catalog) == path)]


def find_holder(names: Iterable[str]) -> str | None:
    """Return a pipeline that reads or makes all these datasets, or None.

    The default pipeline comes first, as commands without `--pipelines` run it.
    """
    wanted = {*names}
    holders = [name for name, part in pipelines.items() if part.datasets() >= wanted]
    return "__default__" if "__default__" in holders else next(iter(holders), None)


def find_maker(node: str, inputs: Iterable[str], catalog: DataCatalog) -> str | None:
    """Return a pipeline with a node of this name and these inputs, or None.

    Args:
        node: name of a node; pipelines may have nodes of one name and other inputs.
        inputs: its inputs with lineage, without parameters.
        catalog: says which datasets have lineage.
    """
    wanted = {*inputs}
    holders = [
        name
        for name, part in pipelines.items()
        for other in part.nodes
        if other.name == node and {*find_inputs(other, catalog)} == wanted
    ]
    return "__default__" if "__default__" in holders else next(iter(holders), None)


def find_inputs(node: Node, catalog: DataCatalog) -> list[str]:
    """Return a node's inputs that have lineage, without parameters, sorted."""
    return [
        name
        for name in sorted(node.inputs)
        if not is_parameter(name) and has_lineage(name, catalog)
    ]


def find_parameters(node: Node, catalog: DataCatalog) -> list[str]:
    """Return a node's `params:` inputs that have lineage, sorted."""
    return [
        name
        for name in sorted(node.inputs)
        if is_parameter(name) and has_lineage(name, catalog)
    ]


def find_recorded_inputs(pipeline: Pipeline, catalog: DataCatalog) -> Iterator[str]:
    """Yield the inputs of a pipeline that nodes of other pipelines make."""
    made = find_producers()
    for name in sorted(pipeline.inputs()):
        if name in made and has_lineage(name, catalog):
            yield name


def find_path(name: str, catalog: DataCatalog) -> str | None:
    """Return the `filepath` of a dataset, or None."""
    path = catalog.config_resolver.resolve_pattern(name).get("filepath")
    return None if path is None else str(path)


def find_metadata(name: str, catalog: DataCatalog) -> dict[str, Any]:
    """Return the metadata of a dataset, empty without any."""
    return getattr(catalog.get(name), "metadata", None) or {}


def has_lineage(name: str, catalog: DataCatalog) -> bool:
    """Return False for a catalog entry with `metadata: {lineage: false}`.

    Stores have it, since nodes read and write them without the catalog.
    """
    return bool(find_metadata(name, catalog).get("lineage", True))


def is_parameter(name: str) -> bool:
    """Return whether a dataset is a parameter."""
    return name.startswith("params:")
