"""Kedro hooks that record lineage and refuse inputs of different versions."""

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
    describe_conflict,
    find_conflicts,
    find_roots,
    fingerprint_files,
    fingerprint_output,
    merge_origins,
)
from two_tower.lineage.run_record import describe_run

STORE = "params:lineage"


@dataclass(frozen=True)
class _NodeRun:
    """Origin of the outputs of a running node; see `Record`."""

    catalog: DataCatalog
    store: LineageStore
    run: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    ancestors: dict[str, str]


class LineageHooks:
    """Record the origin of each dataset, and refuse inputs of different versions."""

    def __init__(self) -> None:
        self._command = "kedro run"
        self._pipelines = ""
        self._sources: dict[str, str] = {}
        self._node_runs: dict[str, _NodeRun] = {}

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
        store = catalog[STORE].load()
        tracked = [name for name in sorted(inputs) if _has_lineage(catalog[name])]
        origins = {
            name: self._origin(name, catalog, store)
            for name in tracked
            if not _is_parameter(name)
        }
        if conflicts := find_conflicts(origins):
            raise ValueError(self._refusal(node, conflicts, store))
        self._node_runs[node.name] = _NodeRun(
            catalog=catalog,
            store=store,
            run=run_id,
            parameters={
                name.removeprefix("params:"): _plain(inputs[name])
                for name in tracked
                if _is_parameter(name)
            },
            inputs={name: origin[name] for name, origin in origins.items()},
            ancestors=merge_origins(origins.values()),
        )

    @hook_impl
    def before_dataset_saved(self, dataset_name: str, node: Node) -> None:
        if dataset_name != node.outputs[0]:
            return
        # All outputs are unfinished from the first save on. The command names the
        # pipelines of this run, since others may make these outputs from other inputs.
        command = f"{self._command}{self._pipelines} --from-nodes {node.name}"
        for name in node.outputs:
            self._node_runs[node.name].store.mark_unfinished(name, command)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        node_run = self._node_runs[node.name]
        record = Record(
            fingerprint=fingerprint_output(
                node.name, dataset_name, node_run.parameters, node_run.inputs
            ),
            made_by=node.name,
            run=node_run.run,
            parameters=node_run.parameters,
            inputs=node_run.inputs,
            ancestors=node_run.ancestors,
            content=_find_content(dataset_name, node_run.catalog),
        )
        node_run.store.write(dataset_name, record)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        sources = _sources_of(_find_records(pipeline, catalog))
        catalog["run_record"].save(describe_run(run_params, sources))

    @hook_impl
    def on_pipeline_error(
        self,
        error: Exception,
        run_params: dict[str, Any],
        pipeline: Pipeline,
        catalog: DataCatalog,
    ) -> None:
        # Outputs that this run did not reach may have records of earlier runs.
        records = _find_records(pipeline, catalog)
        own = [record for record in records if record.run == run_params["run_id"]]
        sources = {**_sources_of(own), **self._sources}
        catalog["run_record"].save(describe_run(run_params, sources, error))

    def _origin(
        self, name: str, catalog: DataCatalog, store: LineageStore
    ) -> dict[str, str]:
        """Return a dataset and its ancestors, name → fingerprint."""
        producer = _producers().get(name)
        if producer is None:
            return {name: self._source_fingerprint(name, catalog)}
        record = store.find(name)
        again = f"{self._command} --from-nodes {producer}"
        if record is None:
            command = store.find_recovery_command(name)
            raise ValueError(
                f"{name} has no lineage record: the run that wrote it was interrupted, "
                f"or the file was copied by hand; run: {command or again}"
            )
        if record.content != _find_content(name, catalog):
            raise ValueError(
                f"{name} is not what {record.made_by} saved: its files were changed or "
                f"replaced by hand; run: {again}"
            )
        return {**record.ancestors, name: record.fingerprint}

    def _source_fingerprint(self, name: str, catalog: DataCatalog) -> str:
        if name not in self._sources:
            found = _fingerprint_source(name, catalog)
            self._require_deployed(name, found, catalog)
            self._sources[name] = found
        return self._sources[name]

    def _require_deployed(self, name: str, found: str, catalog: DataCatalog) -> None:
        """Refuse the output of an earlier run that was replaced by hand since."""
        output = _metadata(catalog[name]).get("output")
        record = output and catalog[STORE].load().find(output)
        if record and record.content != found:
            raise ValueError(
                f"{name} is not what {record.made_by} saved as {output}: its files "
                "were changed or replaced by hand; put the former ones back, or train "
                "a new model: kedro run"
            )

    def _refusal(
        self, node: Node, conflicts: dict[str, list[list[str]]], store: LineageStore
    ) -> str:
        roots = find_roots(conflicts, store)
        return (
            f"{node.name} can't mix its inputs: "
            f"{describe_conflict(roots[0], conflicts[roots[0]])}; "
            f"run: {self._command}{_pipelines_option(roots)} "
            f"--from-inputs {','.join(roots)}"
        )


def _command(env: str | None, runtime_params: Mapping[str, Any]) -> str:
    """Return `kedro run` with a run's environment and `--params`."""
    words = ["kedro", "run", *(["--env", env] if env else [])]
    given = [f"{name}={_as_text(value)}" for name, value in _flatten(runtime_params)]
    return shlex.join([*words, *(["--params", ",".join(given)] if given else [])])


def _flatten(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings, with their keys joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in _flatten(value))
        else:
            yield name, value


def _as_text(value: Any) -> str:
    """Return a value in the syntax of `--params`; a text such as 007 is quoted."""
    if not isinstance(value, str):
        return json.dumps(value)
    is_read_as_text = OmegaConf.from_dotlist([f"value={value}"]).value == value
    return value if is_read_as_text else f"'{value}'"


def _find_records(pipeline: Pipeline, catalog: DataCatalog) -> list[Record]:
    """Return the records of a pipeline's outputs, as far as there are any."""
    store = catalog[STORE].load()
    records = (store.find(name) for name in sorted(pipeline.all_outputs()))
    return [record for record in records if record]


def _sources_of(records: Iterable[Record]) -> dict[str, str]:
    """Return the ancestors that no node makes, name → fingerprint."""
    ancestors = merge_origins(record.ancestors for record in records)
    made = _producers()
    return {name: found for name, found in ancestors.items() if name not in made}


def _pipelines_option(names: Iterable[str]) -> str:
    """Return the `--pipelines` option of a pipeline that holds these datasets.

    It is empty if the default pipeline holds them, or if no pipeline holds them all.
    """
    holders = [name for name, part in pipelines.items() if part.datasets() >= {*names}]
    is_default = not holders or "__default__" in holders
    return "" if is_default else f" --pipelines {holders[0]}"


def _is_parameter(name: str) -> bool:
    return name.startswith("params:")


def _has_lineage(dataset: Any) -> bool:
    """Return False for a catalog entry with `metadata: {lineage: false}`.

    Stores have it, since nodes read and write them without the catalog.
    """
    return bool(_metadata(dataset).get("lineage", True))


def _metadata(dataset: Any) -> dict[str, Any]:
    return getattr(dataset, "metadata", None) or {}


def _fingerprint_source(name: str, catalog: DataCatalog) -> str:
    content = _find_content(name, catalog)
    if content is None:
        raise ValueError(
            f"{name} has no fingerprint: no node makes it, and its dataset "
            f"{type(catalog[name]).__name__} has no filepath; give the class a method "
            "`fingerprint() -> str`, or the catalog entry `metadata: {lineage: false}`"
        )
    return content


def _find_content(name: str, catalog: DataCatalog) -> str | None:
    """Return a digest of the saved dataset; None if it has no file."""
    dataset = catalog[name]
    if hasattr(dataset, "fingerprint"):
        return str(dataset.fingerprint())
    filepath = catalog.config_resolver.resolve_pattern(name).get("filepath")
    return None if filepath is None else fingerprint_files(filepath)


def _producers() -> dict[str, str]:
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


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
