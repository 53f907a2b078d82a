"""What Kedro calls around a run: the Keras back end, checkpoints, lineage."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from omegaconf import OmegaConf
from pydantic import BaseModel

from two_tower.lineage.records import (
    LineageStore,
    Record,
    describe_disagreement,
    find_disagreements,
    find_roots,
    fingerprint_files,
    fingerprint_output,
    gather_ancestors,
)
from two_tower.lineage.run_record import describe_run


@dataclass(frozen=True)
class _Making:
    """What a node that is running makes its outputs from."""

    store: LineageStore
    run: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    ancestors: dict[str, str]


class LineageHooks:
    """Record what each dataset was made from, and refuse inputs that don't match."""

    def __init__(self) -> None:
        self._command = "kedro run"
        self._pipelines = ""
        self._sources: dict[str, str] = {}
        self._making: dict[str, _Making] = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        self._command = _command(run_params["env"], run_params["runtime_params"])
        names = run_params["pipeline_names"]
        self._pipelines = f" --pipelines {','.join(names)}" if names else ""
        self._sources.clear()

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: DataCatalog, inputs: dict[str, Any], run_id: str
    ) -> None:
        store = catalog["lineage"].load()
        origins = {
            name: self._origin(name, catalog, store)
            for name in sorted(inputs)
            if not _is_parameter(name) and _has_lineage(catalog[name])
        }
        if found := find_disagreements(origins):
            raise ValueError(self._refusal(node, found, store))
        self._making[node.name] = _Making(
            store=store,
            run=run_id,
            parameters={
                name.removeprefix("params:"): _plain(value)
                for name, value in inputs.items()
                if _is_parameter(name)
            },
            inputs={name: origin[name] for name, origin in origins.items()},
            ancestors=gather_ancestors(origins.values()),
        )

    @hook_impl
    def before_dataset_saved(self, dataset_name: str, node: Node) -> None:
        if dataset_name != node.outputs[0]:
            return
        # While a node's outputs are being written they are of no known make. Other
        # pipelines may make the same from other inputs: only this one makes it again.
        way_out = f"{self._command}{self._pipelines} --from-nodes {node.name}"
        for name in node.outputs:
            self._making[node.name].store.forget(name, way_out)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        making = self._making[node.name]
        record = Record(
            fingerprint=fingerprint_output(
                node.name, dataset_name, making.parameters, making.inputs
            ),
            made_by=node.name,
            run=making.run,
            parameters=making.parameters,
            inputs=making.inputs,
            ancestors=making.ancestors,
        )
        making.store.write(dataset_name, record)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        sources = _find_sources(_find_records(pipeline, catalog))
        catalog["run_record"].save(describe_run(run_params, sources))

    @hook_impl
    def on_pipeline_error(
        self,
        error: Exception,
        run_params: dict[str, Any],
        pipeline: Pipeline,
        catalog: DataCatalog,
    ) -> None:
        # Of what this run didn't get to make there may be records of earlier runs.
        records = _find_records(pipeline, catalog)
        own = [record for record in records if record.run == run_params["run_id"]]
        sources = {**_find_sources(own), **self._sources}
        catalog["run_record"].save(describe_run(run_params, sources, error))

    def _origin(
        self, name: str, catalog: DataCatalog, store: LineageStore
    ) -> dict[str, str]:
        """Return the dataset and its ancestors, name → fingerprint."""
        producer = _producers().get(name)
        if producer is None:
            return {name: self._source_fingerprint(name, catalog)}
        record = store.find(name)
        if record is None:
            way_out = store.find_way_out(name)
            raise ValueError(
                f"nothing is known of where {name} came from: its last making was not "
                "finished, or it was put there by hand; "
                f"run: {way_out or f'{self._command} --from-nodes {producer}'}"
            )
        return {**record.ancestors, name: record.fingerprint}

    def _source_fingerprint(self, name: str, catalog: DataCatalog) -> str:
        if name not in self._sources:
            self._sources[name] = _fingerprint_source(name, catalog)
        return self._sources[name]

    def _refusal(
        self, node: Node, found: dict[str, list[list[str]]], store: LineageStore
    ) -> str:
        roots = find_roots(found, store)
        what = describe_disagreement(roots[0], found[roots[0]])
        return (
            f"{node.name} can't mix its inputs: {what}; "
            f"run: {self._command}{_pipeline_option(roots)} "
            f"--from-inputs {','.join(roots)}"
        )


def _command(env: str | None, runtime_params: Mapping[str, Any]) -> str:
    """Return the command that runs with the same environment and `--params`."""
    words = ["kedro", "run", *(["--env", env] if env else [])]
    given = [f"{name}={_written(value)}" for name, value in _flatten(runtime_params)]
    return shlex.join([*words, *(["--params", ",".join(given)] if given else [])])


def _flatten(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each value of nested mappings under its keys, joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in _flatten(value))
        else:
            yield name, value


def _written(value: Any) -> str:
    """Return what `--params` reads as this value: text like 007 only in quotes."""
    if not isinstance(value, str):
        return json.dumps(value)
    is_read_as_text = OmegaConf.from_dotlist([f"value={value}"]).value == value
    return value if is_read_as_text else f"'{value}'"


def _find_records(pipeline: Pipeline, catalog: DataCatalog) -> list[Record]:
    """Return the records of what the pipeline makes, where there are any."""
    store = catalog["lineage"].load()
    records = (store.find(name) for name in sorted(pipeline.all_outputs()))
    return [record for record in records if record]


def _find_sources(records: Iterable[Record]) -> dict[str, str]:
    """Return what the records' datasets came from and no node made."""
    ancestors = gather_ancestors(record.ancestors for record in records)
    made = _producers()
    return {name: found for name, found in ancestors.items() if name not in made}


def _pipeline_option(names: Iterable[str]) -> str:
    """Return how a command names a pipeline that has these datasets.

    It is empty if the default pipeline has them, or no pipeline has them all.
    """
    holders = [name for name, part in pipelines.items() if part.datasets() >= {*names}]
    is_plain = not holders or "__default__" in holders
    return "" if is_plain else f" --pipelines {holders[0]}"


def _is_parameter(name: str) -> bool:
    return name.startswith("params:")


def _has_lineage(dataset: Any) -> bool:
    """Tell whether the catalog says nothing of `metadata: {lineage: false}`.

    It says so of stores, which a node is handed to read and write by itself.
    """
    return bool((getattr(dataset, "metadata", None) or {}).get("lineage", True))


def _fingerprint_source(name: str, catalog: DataCatalog) -> str:
    dataset = catalog[name]
    if hasattr(dataset, "fingerprint"):
        return str(dataset.fingerprint())
    filepath = catalog.config_resolver.resolve_pattern(name).get("filepath")
    if filepath is None:
        raise ValueError(
            f"no fingerprint can be taken of {name}, which no node makes: its dataset "
            f"{type(dataset).__name__} has no filepath; give the class a method "
            "`fingerprint() -> str`, or the catalog entry `metadata: {lineage: false}`"
        )
    return fingerprint_files(filepath)


def _producers() -> dict[str, str]:
    """Return the node that makes each dataset, of all registered pipelines.

    What several make is the default pipeline's, as a command without `--pipelines`
    has none but those.
    """
    default_last = sorted(pipelines, key=lambda name: name == "__default__")
    return {
        output: node.name
        for name in default_last
        for node in pipelines[name].nodes
        for output in node.outputs
    }


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
