import json
from concurrent.futures import ThreadPoolExecutor

import ibis
import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner, ThreadRunner
from kedro_viz.integrations.kedro.hooks import DatasetStatsHook

from two_tower import hooks
from two_tower.hooks import (
    BackendHooks,
    CheckpointHooks,
    RunnerHooks,
    ScratchHooks,
    StatisticsHooks,
)
from two_tower.scratch import Scratch
from two_tower.training.checkpoints import Checkpoint, CheckpointStore


@pytest.mark.parametrize(
    ("parameters", "backend"),
    [({"params:training.backend": "jax"}, "jax"), ({}, "tensorflow")],
)
def test_keras_runs_on_the_backend_of_the_parameters(monkeypatch, parameters, backend):
    chosen = []
    monkeypatch.setattr(hooks, "choose_backend", chosen.append)
    BackendHooks().after_catalog_created(parameters=parameters)
    assert chosen == [backend]


@pytest.mark.parametrize(("tag", "n_imports"), [("gpu", 1), ("cpu", 0)])
def test_keras_is_imported_quietly_for_gpu_nodes_only(monkeypatch, tag, n_imports):
    imports = []
    monkeypatch.setattr(hooks, "import_keras_quietly", lambda: imports.append("keras"))
    node = Node(lambda model: model, "model", "vectors", name="export", tags=tag)
    BackendHooks().before_dataset_loaded(node=node)
    assert len(imports) == n_imports


@pytest.fixture
def runner_hooks():
    """Hooks of a run in this thread."""
    runner_hooks = RunnerHooks()
    runner_hooks.before_pipeline_run()
    return runner_hooks


class CountedDataset(MemoryDataset):
    """A dataset that counts its loads."""

    def __init__(self, loaded):
        super().__init__(data=1)
        self._loaded = loaded

    def load(self):
        self._loaded.append(1)
        return super().load()


def in_a_thread(action):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(action).result()


def test_the_thread_of_a_run_loads_datasets(runner_hooks):
    runner_hooks.before_dataset_loaded()
    in_a_thread(lambda: [run_in_place(RunnerHooks())])


def run_in_place(runner_hooks):
    """A whole run in a thread of its own, as a service has."""
    runner_hooks.before_pipeline_run()
    runner_hooks.before_dataset_loaded()


def test_another_thread_of_a_run_is_refused_before_it_loads_anything(runner_hooks):
    with pytest.raises(ValueError, match="--async and ThreadRunner are not supported"):
        in_a_thread(runner_hooks.before_dataset_loaded)


def test_a_process_of_a_run_loads_datasets_in_its_main_thread(monkeypatch):
    runner_hooks = RunnerHooks()
    in_a_thread(runner_hooks.before_pipeline_run)
    monkeypatch.setattr(hooks.os, "getpid", lambda: -1)  # as in a forked process
    runner_hooks.before_dataset_loaded()
    with pytest.raises(ValueError, match="--async"):
        in_a_thread(runner_hooks.before_dataset_loaded)


@pytest.mark.parametrize("runner", [ThreadRunner(), SequentialRunner(is_async=True)])
def test_a_runner_with_threads_is_refused_from_python_too(runner_hooks, runner):
    manager = _create_hook_manager()
    manager.register(runner_hooks)
    loaded = []
    catalog = DataCatalog({"raw": CountedDataset(loaded)})
    node = Node(lambda raw: raw, "raw", "copy", name="copy")
    with pytest.raises(ValueError, match="--async and ThreadRunner"):
        runner.run(Pipeline([node]), catalog, manager, run_id="run")
    assert not loaded


# covers: X17
def test_a_checkpoint_is_removed_once_the_last_output_of_its_training_is_saved(
    tmp_path,
):
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint("of these data", {}, {}))
    training = Node(
        lambda store: (1, 2), "params:training_checkpoints", ["model", "history"]
    )
    checkpoint_hooks = CheckpointHooks()
    checkpoint_hooks.before_node_run(inputs={"params:training_checkpoints": store})
    checkpoint_hooks.after_dataset_saved(dataset_name="model", node=training)
    assert store.load("of these data")
    checkpoint_hooks.after_dataset_saved(dataset_name="history", node=training)
    assert store.load("of these data") is None


TYPE = Node(lambda raw: raw.mutate(n=ibis._.n + 1), "raw", "typed", name="type")
COUNT = Node(lambda typed: {"n": typed.count().execute()}, "typed", "report")


def run(folder, *nodes):
    """Run the nodes as a session does; return the statistics that it writes."""
    table = {
        "type": "two_tower.datasets.parquet_shards.ParquetShardsDataset",
        "filepath": str(folder / "typed"),
    }
    catalog = DataCatalog.from_config(
        {
            "raw": {
                "type": "ibis.FileDataset",
                "filepath": str(folder / "raw.parquet"),
                "file_format": "parquet",
            },
            "typed": table,
            "report": {
                "type": "two_tower.datasets.atomic_files.AtomicJSONDataset",
                "filepath": str(folder / "report.json"),
            },
            "never_made": table | {"filepath": str(folder / "never_made")},
        }
    )
    manager = _create_hook_manager()
    manager.register(StatisticsHooks())
    viz = DatasetStatsHook()
    viz.after_catalog_created(catalog=catalog)
    manager.register(viz)  # as a session does, after the project's hooks
    about = {"run_params": {"project_path": str(folder)}, "catalog": catalog}
    manager.hook.before_pipeline_run(**about, pipeline=None)
    SequentialRunner().run(Pipeline(list(nodes)), catalog, manager, run_id="run")
    manager.hook.after_pipeline_run(**about, pipeline=None, run_result={})
    return json.loads((folder / ".viz" / "stats.json").read_text())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A Kedro project with a raw table of three rows."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.kedro]\npackage_name = "two_tower"\nproject_name = "two-tower"\n'
        'kedro_init_version = "1.7.0"\n'
    )
    ibis.memtable({"n": [1, 2, 3]}).to_parquet(tmp_path / "raw.parquet")
    unmade = Node(lambda: None, None, "never_made", name="never")
    monkeypatch.setattr(
        hooks, "pipelines", {"__default__": Pipeline([TYPE, COUNT, unmade])}
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_statistics_have_rows_columns_and_size_of_what_is_on_disk(folder):
    found = run(folder, TYPE, COUNT)
    assert set(found) == {"raw", "typed", "report"}
    size = (folder / "raw.parquet").stat().st_size
    assert found["raw"] == {"rows": 3, "columns": 1, "file_size": size}
    assert (found["typed"]["rows"], found["typed"]["columns"]) == (3, 1)
    assert found["typed"]["file_size"] > 100
    size = (folder / "report.json").stat().st_size
    assert found["report"] == {"file_size": size}


def test_a_run_keeps_the_count_of_a_raw_table_that_it_does_not_load(folder):
    before = run(folder, TYPE, COUNT)
    assert run(folder, COUNT) == before


def test_a_damaged_file_of_statistics_is_written_again(folder, caplog):
    (folder / ".viz").mkdir()
    (folder / ".viz" / "stats.json").write_text("{")
    assert run(folder, TYPE, COUNT)["raw"]["rows"] == 3
    assert "stats.json is not valid JSON" in caplog.text


def test_the_count_of_a_raw_table_is_dropped_with_its_file(folder):
    run(folder, TYPE, COUNT)
    ibis.memtable({"n": [*range(10_000)]}).to_parquet(folder / "raw.parquet")
    assert set(run(folder, COUNT)["raw"]) == {"file_size"}


# covers: X34
def test_a_run_removes_what_killed_runs_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    entry = {
        "type": "two_tower.datasets.parquet_shards.ParquetShardsDataset",
        "filepath": str(tmp_path / "data" / "typed"),
    }
    monkeypatch.setattr(hooks, "pipelines", {"__default__": Pipeline([TYPE])})
    left = [
        tmp_path / "tmp" / ".two-tower-scratch-a",
        tmp_path / "data" / ".saving-typed-b",
        tmp_path / "data" / "typed" / ".saving-_current-c",
        tmp_path / "data" / "typed" / "2026-01-01" / ".saving-typed-d",
    ]
    for folder in left:
        folder.mkdir(parents=True)
    with Scratch(tmp_path / "data", ".saving-") as live:
        catalog = DataCatalog.from_config({"typed": entry})
        ScratchHooks().before_pipeline_run(catalog=catalog)
        assert live.path.exists()
    assert not any(folder.exists() for folder in left)


def test_a_damaged_table_has_no_statistics(tmp_path, monkeypatch, caplog):
    entry = {
        "type": "two_tower.datasets.parquet_shards.ParquetShardsDataset",
        "filepath": str(tmp_path / "data" / "typed"),
    }
    catalog = DataCatalog.from_config({"typed": entry})
    catalog["typed"].save(ibis.memtable({"n": [1]}))
    (manifest,) = (tmp_path / "data" / "typed").glob("v-*/_manifest.json")
    manifest.write_text("{")
    monkeypatch.setattr(hooks, "pipelines", {"__default__": Pipeline([TYPE])})
    run_params = {"project_path": str(tmp_path)}
    statistics = StatisticsHooks()
    statistics.before_pipeline_run(run_params=run_params)
    statistics.after_pipeline_run(run_params=run_params, catalog=catalog)
    assert "Kedro-Viz will show no statistics of typed" in caplog.text
    shown = json.loads((tmp_path / ".viz" / "stats.json").read_text())
    assert shown["typed"].keys() == {"file_size"}
