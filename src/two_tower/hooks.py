"""Kedro hooks: runner, back end, temporary folders, checkpoints, statistics."""

import json
import logging
import os
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import ibis.expr.types as ir
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline.node import Node

from two_tower.atomic import SAVING, replace_file
from two_tower.backend import choose_backend, import_keras_quietly
from two_tower.logs import quiet_runners
from two_tower.run_options import NO_THREADS
from two_tower.scratch import TEMPORARY, remove_abandoned
from two_tower.training.checkpoints import CheckpointStore

logger = logging.getLogger(__name__)

STATISTICS: Final = ".viz/stats.json"
"""File in the project's folder from which Kedro-Viz reads `rows`, `columns` and
`file_size` of datasets."""


class RunnerHooks:
    """Refuse threads before anything is loaded, and drop Kedro's advice to use them.

    Loaded tables share one connection to DuckDB, which serves one thread at a time.
    """

    def __init__(self) -> None:
        self._run: tuple[int, int] | None = None  # process and thread of the run

    @hook_impl
    def before_pipeline_run(self) -> None:
        self._run = os.getpid(), threading.get_ident()
        quiet_runners()

    @hook_impl(tryfirst=True)
    def before_dataset_loaded(self) -> None:
        process, thread = self._run or (None, None)
        # A process of ParallelRunner loads and saves in its main thread.
        is_run = process == os.getpid()
        expected = thread if is_run else threading.main_thread().ident
        if threading.get_ident() != expected:
            raise ValueError(NO_THREADS)


class BackendHooks:
    """Select the Keras back end of `training.backend`, and import Keras quietly."""

    @hook_impl
    def after_catalog_created(self, parameters: dict[str, Any]) -> None:
        choose_backend(parameters.get("params:training.backend", "tensorflow"))

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        # Loading a model imports Keras before the node itself runs.
        if "gpu" in node.tags:
            import_keras_quietly()


class ScratchHooks:
    """Remove the temporary folders that killed runs left, before a run.

    They lie beside the datasets that were being saved, and in the system's temporary
    folder.
    """

    @hook_impl
    def before_pipeline_run(self, catalog: DataCatalog) -> None:
        remove_abandoned(Path(tempfile.gettempdir()), TEMPORARY)
        for folder in sorted(_folders_of_saves(catalog)):
            remove_abandoned(folder, SAVING)


class CheckpointHooks:
    """Remove the checkpoint of a training once all outputs of its node are saved.

    Fingerprints do not cover the code, so a checkpoint that stayed would resume a
    finished training even after its code has changed. Removed any earlier, it would be
    lost to a save that fails.
    """

    def __init__(self) -> None:
        self._store: CheckpointStore | None = None

    @hook_impl
    def before_node_run(self, inputs: dict[str, Any]) -> None:
        self._store = inputs.get("params:training_checkpoints")

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        if self._store is not None and dataset_name == node.outputs[-1]:
            self._store.clear()


class StatisticsHooks:
    """Write rows, columns and size in bytes of all datasets, for Kedro-Viz.

    Kedro-Viz's own hook knows pandas tables only. A raw table is counted when it is
    loaded, and its count is kept for as long as its file keeps its size.
    """

    def __init__(self) -> None:
        self._shapes: dict[str, dict[str, int]] = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        file = Path(run_params["project_path"], STATISTICS)
        try:
            self._shapes = json.loads(file.read_text()) if file.is_file() else {}
        except ValueError:
            logger.warning("%s is not valid JSON; it is written again", file)

    @hook_impl
    def before_node_run(self, catalog: DataCatalog, inputs: dict[str, Any]) -> None:
        for name, data in inputs.items():
            if isinstance(data, ir.Table) and not hasattr(catalog[name], "manifest"):
                rows = int(data.count().execute())
                self._shapes[name] = {"rows": rows, "columns": len(data.columns)}

    @hook_impl(trylast=True)  # after Kedro-Viz's hook, which replaces the file
    def after_pipeline_run(
        self, run_params: dict[str, Any], catalog: DataCatalog
    ) -> None:
        statistics = {
            name: self._describe(name, catalog)
            for name in sorted(_dataset_names())
            if not name.startswith("params:") and catalog.exists(name)
        }
        try:
            file = Path(run_params["project_path"], STATISTICS)
            with replace_file(file) as new:
                new.write_text(json.dumps(statistics), encoding="utf-8")
        except OSError as error:
            logger.warning("Kedro-Viz will show no statistics of datasets: %s", error)

    def _describe(self, name: str, catalog: DataCatalog) -> dict[str, int]:
        path = _find_path(name, catalog)
        size = {"file_size": _size_of(path)} if path and path.exists() else {}
        if hasattr(dataset := catalog[name], "manifest"):
            try:
                manifest = dataset.manifest()
            except DatasetError as error:  # of a table that this run did not read
                logger.warning(
                    "Kedro-Viz will show no statistics of %s: %s", name, error
                )
                return size
            return {
                "rows": manifest["rows"],
                "columns": len(manifest["schema"]),
                **size,
            }
        shape = self._shapes.get(name, {})
        is_current = "file_size" not in shape or shape.items() >= size.items()
        return shape | size if is_current else size


def _dataset_names() -> set[str]:
    """Return the names of all datasets and parameters of all pipelines."""
    return {name for part in pipelines.values() for name in part.datasets()}


def _folders_of_saves(catalog: DataCatalog) -> set[Path]:
    """Return the folders in which files, pointers and versions are saved."""
    folders = set()
    for name in _dataset_names():
        path = _find_path(name, catalog)
        if path is not None:
            folders |= {path, path.parent}
            folders |= set(path.iterdir()) if path.is_dir() else set()
    return folders


def _find_path(name: str, catalog: DataCatalog) -> Path | None:
    """Return the local file or folder of a dataset; None if it has none."""
    filepath = catalog.config_resolver.resolve_pattern(name).get("filepath")
    return None if filepath is None else Path(filepath)


def _size_of(path: Path) -> int:
    """Return the size of a file, or of all files of a folder, in bytes."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
