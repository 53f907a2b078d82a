"""Kedro hooks: the run's lock, its checks, lineage records, the run record."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from two_tower.lineage import graph
from two_tower.lineage.checks import check_run
from two_tower.lineage.commands import Command
from two_tower.lineage.deployment import Deployment, Unfinished, reads_deployed
from two_tower.lineage.lock import RunLock
from two_tower.lineage.origins import STORE, Origins, find_content, find_records
from two_tower.lineage.parameters import plain
from two_tower.lineage.records import (
    LineageStore,
    Record,
    fingerprint_output,
    merge_origins,
)
from two_tower.lineage.run_record import describe_run


class LockHooks:
    """Let one run at a time write the outputs of a data set.

    The hooks wrap all others: nothing is read or written before the lock is taken.
    """

    def __init__(self) -> None:
        self._locks: dict[Path, RunLock] = {}
        self._process: int | None = None

    @hook_impl(wrapper=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], catalog: DataCatalog
    ) -> Generator[None, Any, Any]:
        lock = self._find(catalog)
        lock.acquire(run_params["run_id"])
        self._process = os.getpid()
        try:
            return (yield)
        except BaseException:
            lock.release()
            raise

    @hook_impl
    def before_node_run(self) -> None:
        if self._process != os.getpid():  # a worker of ParallelRunner
            self._process = os.getpid()
            _end_with_parent()

    @hook_impl(wrapper=True)
    def after_pipeline_run(self, catalog: DataCatalog) -> Generator[None, Any, Any]:
        try:
            return (yield)
        finally:
            self._find(catalog).release()

    @hook_impl(wrapper=True)
    def on_pipeline_error(self, catalog: DataCatalog) -> Generator[None, Any, Any]:
        try:
            return (yield)
        finally:
            self._find(catalog).release()

    def _find(self, catalog: DataCatalog) -> RunLock:
        path = catalog[STORE].load().lock_path
        return self._locks.setdefault(path, RunLock(path))


def _end_with_parent() -> None:
    """Kill this process when its run is killed, whose lock is free from then on."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


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
        self._command = Command()
        self._origins: Origins | None = None
        self._node_runs: dict[str, _NodeRun] = {}

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        self._command = Command.of_run(run_params)
        self._origins = None
        self._keep_deployed(run_params["run_id"], pipeline, catalog)
        check_run(
            pipeline,
            Origins(catalog, self._command),
            only_missing_outputs=bool(run_params.get("only_missing_outputs")),
        )

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: DataCatalog, inputs: dict[str, Any], run_id: str
    ) -> None:
        origins = self._find_origins(catalog)
        found = {name: origins.find(name) for name in graph.find_inputs(node, catalog)}
        origins.require_agreement(node, found)
        self._node_runs[node.name] = _NodeRun(
            catalog=catalog,
            store=origins.store,
            run=run_id,
            parameters={
                name.removeprefix("params:"): plain(inputs[name])
                for name in graph.find_parameters(node, catalog)
            },
            inputs={name: origin[name] for name, origin in found.items()},
            ancestors=origins.ancestors(node, found),
        )

    @hook_impl
    def before_dataset_saved(self, dataset_name: str, node: Node) -> None:
        if dataset_name != node.outputs[0]:
            return
        # All outputs are unfinished from the first save on. The command names the
        # pipelines of this run, since others may make these outputs from other inputs.
        command = self._command.from_nodes(node.name)
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
            command=self._command.options,
            content=find_content(dataset_name, node_run.catalog),
        )
        node_run.store.write(dataset_name, record)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        store = catalog[STORE].load()
        records = find_records(pipeline.all_outputs(), store)
        nodes = _nodes_of(pipeline, records, run_params["run_id"])
        record = describe_run(run_params, _sources_of(records), nodes)
        catalog["run_record"].save(record)
        # The last change of a run: killed any earlier, it starts from the same again.
        if deployment := Deployment.find(catalog, store):
            deployment.finish()

    @hook_impl
    def on_pipeline_error(
        self,
        error: Exception,
        run_params: dict[str, Any],
        pipeline: Pipeline,
        catalog: DataCatalog,
    ) -> None:
        # Outputs that this run did not reach may have records of earlier runs.
        records = find_records(pipeline.all_outputs(), catalog[STORE].load())
        own = {
            name: record
            for name, record in records.items()
            if record.run == run_params["run_id"]
        }
        sources = {**_sources_of(own), **self._find_origins(catalog).sources}
        nodes = _nodes_of(pipeline, records, run_params["run_id"])
        record = describe_run(run_params, sources, nodes, error)
        catalog["run_record"].save(record)

    def _keep_deployed(
        self, run: str, pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Keep the deployed model that a run starts from, see `Deployment`."""
        deployment = Deployment.find(catalog, catalog[STORE].load())
        if deployment is None:
            return
        deployment.clean()
        if reads_deployed(pipeline.inputs(), catalog):
            outputs = sorted(pipeline.all_outputs())
            command = self._command
            deployment.start(Unfinished(run, command.pipelines, command.text, outputs))

    def _find_origins(self, catalog: DataCatalog) -> Origins:
        """Return the origins of the run; workers of a run have their own."""
        if self._origins is None:
            self._origins = Origins(catalog, self._command)
        return self._origins


def _sources_of(records: dict[str, Record]) -> dict[str, str]:
    """Return the ancestors that no node makes, name → fingerprint."""
    ancestors = merge_origins(record.ancestors for record in records.values())
    made = graph.find_producers()
    return {name: found for name, found in ancestors.items() if name not in made}


def _nodes_of(
    pipeline: Pipeline, records: dict[str, Record], run: str
) -> dict[str, list[str]]:
    """Return the nodes that a run has run to the end, and those that it has not."""
    done = {
        node.name
        for node in pipeline.nodes
        if all(name in records and records[name].run == run for name in node.outputs)
    }
    names = [node.name for node in pipeline.nodes]
    return {
        "run": [name for name in names if name in done],
        "not_run": [name for name in names if name not in done],
    }
