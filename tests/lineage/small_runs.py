"""Small pipelines on JSON files, run with the hooks that a Kedro session calls."""

import json
from pathlib import Path
from typing import Any

from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from two_tower.atomic import current_version, replace_folder
from two_tower.lineage.hooks import LineageHooks, LockHooks
from two_tower.params import Params

RUN = "2026-01-01T00.00.00.000Z"
LATER = "2026-01-02T00.00.00.000Z"


class Times(Params):
    factor: int


def scale(numbers: list[int], times: Times) -> list[int]:
    return [times.factor * number for number in numbers]


def add(left: list[int], right: list[int]) -> list[int]:
    return left + right


def copy(numbers: list[int]) -> list[int]:
    return [*numbers]


PIPELINE = Pipeline(
    [
        Node(scale, ["raw", "params:times"], "scaled", name="scale"),
        Node(add, ["raw", "scaled"], "added", name="add"),
    ]
)

TRAINING = Pipeline([Node(scale, ["raw", "params:times"], "model", name="train")])
RETRAINING = Pipeline([Node(add, ["raw", "deployed"], "model", name="train")])
SERVING = Pipeline(
    [
        Node(copy, "model", "tower", name="export"),
        Node(copy, "tower", "index", name="index"),
    ]
)
ADDING = Pipeline([Node(add, ["deployed", "more"], "tower", name="extend")])
PIPELINES = {
    "__default__": TRAINING + SERVING,
    "retrain": RETRAINING + SERVING,
    "add": ADDING + SERVING.only_nodes("index"),
    "indexing": SERVING.only_nodes("index"),
}

FILES = ("raw", "scaled", "added", "raw_sum", "sum", "model", "index", "more")


class FolderDataset(AbstractDataset[list[int], list[int]]):
    """A list in a folder with versions, as the query tower is."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> list[int]:
        return json.loads((self._folder / self.fingerprint() / "list").read_text())

    def save(self, data: list[int]) -> None:
        with replace_folder(self._folder) as folder:
            (folder / "list").write_text(json.dumps(data))

    def fingerprint(self) -> str:
        return current_version(self._folder).name

    def _exists(self) -> bool:
        return current_version(self._folder) is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}


def run(
    folder: Path,
    *nodes: str,
    factor: int = 2,
    entries: dict[str, Any] | None = None,
    pipeline: Pipeline = PIPELINE,
    **run_params: Any,
) -> None:
    """Run the given nodes, or all nodes, as a Kedro session does."""
    catalog = make_catalog(folder, factor, entries)
    pipeline = pipeline.only_nodes(*nodes) if nodes else pipeline
    manager = _create_hook_manager()
    manager.register(LockHooks())
    manager.register(LineageHooks())
    run_params = {
        "run_id": RUN,
        "env": None,
        "pipeline_names": [],
        "runtime_params": {},
        "project_path": str(folder),
        "only_missing_outputs": False,
        **run_params,
    }
    run_info = {"run_params": run_params, "pipeline": pipeline, "catalog": catalog}
    manager.hook.before_pipeline_run(**run_info)
    try:
        SequentialRunner().run(
            pipeline,
            catalog,
            manager,
            run_id=run_params["run_id"],
            only_missing_outputs=run_params["only_missing_outputs"],
        )
    except Exception as error:
        manager.hook.on_pipeline_error(**run_info, error=error)
        raise
    manager.hook.after_pipeline_run(**run_info, run_result={})


def make_catalog(
    folder: Path, factor: int, entries: dict[str, Any] | None = None
) -> DataCatalog:
    def json_file(name: str) -> dict[str, Any]:
        return {
            "type": "two_tower.datasets.atomic_files.AtomicJSONDataset",
            "filepath": str(folder / f"{name}.json"),
        }

    tower = {"type": FolderDataset, "filepath": str(folder / "tower")}
    catalog = DataCatalog.from_config(
        {
            **{name: json_file(name) for name in FILES},
            "tower": tower,
            "deployed": {
                **tower,
                "filepath": str(folder / "deployed"),
                "metadata": {"output": "tower"},
            },
            "run_record": json_file("run_record"),
            "params:lineage": {
                "type": "two_tower.datasets.stores.LineageStoreDataset",
                "filepath": str(folder / "lineage"),
                "metadata": {"lineage": False},
            },
            **(entries or {}),
        }
    )
    catalog["params:times"] = Times(factor=factor)
    return catalog


def retrain(folder: Path, name: str = "retrain", **options: Any) -> None:
    """Run one of `PIPELINES` by its name, later than a first run."""
    options = {"run_id": LATER, "pipeline_names": [name], **options}
    run(folder, pipeline=PIPELINES[name], **options)


def value(folder: Path, name: str) -> list[int]:
    """Return the content of a saved list."""
    return json.loads((folder / f"{name}.json").read_text())


def lineage(folder: Path, name: str) -> dict[str, Any]:
    """Return a lineage record as it lies on disk."""
    return json.loads((folder / "lineage" / f"{name}.json").read_text())
