"""The lineage hooks around small pipelines of one or two nodes."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

import two_tower.lineage.hooks
from two_tower.hooks import CheckpointHooks
from two_tower.lineage.hooks import LineageHooks
from two_tower.lineage.records import fingerprint_files
from two_tower.params import Params
from two_tower.training.checkpoints import Checkpoint, CheckpointStore


class Times(Params):
    factor: int


def scale(numbers: list[int], times: Times) -> list[int]:
    return [times.factor * number for number in numbers]


def add(left: list[int], right: list[int]) -> list[int]:
    return left + right


PIPELINE = Pipeline(
    [
        Node(scale, ["raw", "params:times"], "scaled", name="scale"),
        Node(add, ["raw", "scaled"], "added", name="add"),
    ]
)


FILES = ("raw", "scaled", "added", "raw_sum", "sum")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(two_tower.lineage.hooks, "pipelines", {"__default__": PIPELINE})
    (tmp_path / "raw.json").write_text("[1, 2]")
    return tmp_path


def run(
    folder: Path,
    *nodes: str,
    factor: int = 2,
    raw: dict[str, Any] | None = None,
    part: Pipeline = PIPELINE,
    **about_run: Any,
) -> None:
    """Run the named nodes, all of them if none is named, as a session does."""
    catalog = make_catalog(folder, factor, raw)
    part = part.only_nodes(*nodes) if nodes else part
    manager = _create_hook_manager()
    manager.register(LineageHooks())
    run_params = {
        "run_id": "2026-01-01T00.00.00.000Z",
        "env": None,
        "pipeline_names": [],
        "runtime_params": {},
        "project_path": str(folder),
        **about_run,
    }
    about = {"run_params": run_params, "pipeline": part, "catalog": catalog}
    manager.hook.before_pipeline_run(**about)
    try:
        SequentialRunner().run(part, catalog, manager, run_id=run_params["run_id"])
    except Exception as error:
        manager.hook.on_pipeline_error(**about, error=error)
        raise
    manager.hook.after_pipeline_run(**about, run_result={})


def make_catalog(
    folder: Path, factor: int, raw: dict[str, Any] | None = None
) -> DataCatalog:
    def json_file(name: str) -> dict[str, Any]:
        return {
            "type": "two_tower.datasets.atomic_files.AtomicJSONDataset",
            "filepath": str(folder / f"{name}.json"),
        }

    catalog = DataCatalog.from_config(
        {
            **{name: json_file(name) for name in FILES},
            **({"raw": raw} if raw else {}),
            "run_record": json_file("run_record"),
            "lineage": {
                "type": "two_tower.datasets.stores.LineageStoreDataset",
                "filepath": str(folder / "lineage"),
                "metadata": {"lineage": False},
            },
        }
    )
    catalog["params:times"] = Times(factor=factor)
    return catalog


def lineage(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / "lineage" / f"{name}.json").read_text())


def test_each_output_has_a_record_of_what_it_was_made_from(folder):
    run(folder)
    scaled, added = lineage(folder, "scaled"), lineage(folder, "added")
    assert scaled["made_by"] == "scale"
    assert scaled["parameters"] == {"times": {"factor": 2}}
    assert added["inputs"] == added["ancestors"]
    assert added["inputs"]["scaled"] == scaled["fingerprint"]
    assert added["ancestors"]["raw"] == scaled["inputs"]["raw"]


def test_a_second_run_gives_the_same_fingerprints(folder):
    run(folder)
    first = lineage(folder, "added")
    run(folder)
    assert lineage(folder, "added") == first


@pytest.mark.parametrize("change", ["parameter", "source"])
def test_another_parameter_or_source_gives_another_fingerprint(folder, change):
    run(folder)
    first = lineage(folder, "added")["fingerprint"]
    if change == "source":
        (folder / "raw.json").write_text("[1, 3]")
    run(folder, factor=3 if change == "parameter" else 2)
    assert lineage(folder, "added")["fingerprint"] != first


def test_inputs_of_different_makes_are_refused_with_the_way_out(folder):
    run(folder)
    (folder / "raw.json").write_text("[1, 3]")
    with pytest.raises(
        ValueError,
        match=r"add can't mix its inputs: scaled was made from another raw than the "
        r"present one; run: kedro run --env ml-1m --from-inputs raw$",
    ):
        run(folder, "add", env="ml-1m")


def test_the_way_out_repeats_the_runs_params(folder):
    run(folder)
    (folder / "raw.json").write_text("[1, 3]")
    params = {"preset": "mean", "training": {"epochs": 3, "device": None}}
    with pytest.raises(
        ValueError,
        match="run: kedro run --env ml-1m --params "
        r"preset=mean,training.epochs=3,training.device=null --from-inputs raw$",
    ):
        run(folder, "add", env="ml-1m", runtime_params=params)


def test_params_of_the_way_out_are_quoted_for_the_shell(folder):
    (folder / "scaled.json").write_text("[5]")
    with pytest.raises(ValueError, match=r"--params 'report.title=A b' --from-nodes"):
        run(folder, "add", runtime_params={"report": {"title": "A b"}})


def test_params_that_look_like_numbers_stay_text_in_the_way_out(folder):
    (folder / "scaled.json").write_text("[5]")
    with pytest.raises(ValueError, match="run: kedro run --params") as refusal:
        run(folder, "add", runtime_params={"user_id": "00042", "engine": "duckdb"})
    words = shlex.split(str(refusal.value).partition("run: ")[2])
    assert words[3] == "user_id='00042',engine=duckdb"


GROWING = Pipeline(
    [
        Node(add, ["raw", "known"], "scaled", name="grow"),
        Node(add, ["raw", "scaled"], "added", name="add"),
    ]
)


def test_the_way_out_names_the_pipeline_that_has_what_differs(folder, monkeypatch):
    run(folder)
    both = {"growing": GROWING, "__default__": PIPELINE}
    monkeypatch.setattr(two_tower.lineage.hooks, "pipelines", both)
    for name, known in (("scaled", "old"), ("raw_sum", "new")):
        (folder / f"{name}.json").write_text("[1]")
        record = lineage(folder, "scaled") | {"ancestors": {"known": known}}
        (folder / "lineage" / f"{name}.json").write_text(json.dumps(record))
    part = Pipeline([Node(add, ["scaled", "raw_sum"], "sum", name="add")])
    monkeypatch.setattr(
        two_tower.hooks, "_producers", lambda: {"scaled": "grow", "raw_sum": "grow"}
    )
    with pytest.raises(
        ValueError, match=r"run: kedro run --pipelines growing --from-inputs known$"
    ):
        run(folder, part=part)


def test_the_node_of_the_default_is_named_where_several_make_the_same(
    folder, monkeypatch
):
    both = {"__default__": PIPELINE, "growing": GROWING}
    monkeypatch.setattr(two_tower.lineage.hooks, "pipelines", both)
    (folder / "scaled.json").write_text("[5]")
    with pytest.raises(ValueError, match=r"scaled came from.*--from-nodes scale$"):
        run(folder, "add")


def test_the_way_out_leads_out(folder):
    run(folder)
    (folder / "raw.json").write_text("[1, 3]")
    run(folder)
    assert json.loads((folder / "added.json").read_text()) == [1, 3, 2, 6]


def test_an_input_without_a_record_is_refused(folder):
    (folder / "scaled.json").write_text("[5]")
    with pytest.raises(ValueError, match=r"scaled came from.*--from-nodes scale$"):
        run(folder, "add")


def test_an_output_whose_save_failed_has_no_record(folder):
    run(folder)
    (folder / "raw.json").write_text("[NaN]")  # can be read, but not be saved
    with pytest.raises(DatasetError, match="scaled"):
        run(folder, "scale")
    assert not (folder / "lineage" / "scaled.json").exists()


def halve(numbers: list[int]) -> tuple[list[int], list[float]]:
    return numbers[:1], [float("nan")]  # which JSON can't hold


def test_what_was_left_half_made_is_made_again_by_the_pipeline_that_began(
    folder, monkeypatch
):
    run(folder)
    run(folder, part=Pipeline([Node(add, ["raw", "raw"], "sum", name="sum")]))
    halving = Pipeline([Node(halve, "raw", ["scaled", "sum"], name="halve")])
    with pytest.raises(DatasetError, match="sum"):
        run(
            folder,
            part=halving,
            pipeline_names=["growing"],
            env="ml-1m",
            runtime_params={"factor": 3},
        )
    assert lineage(folder, "scaled")["made_by"] == "halve"
    reader = Pipeline([Node(add, ["scaled", "sum"], "added", name="add")])
    monkeypatch.setattr(two_tower.hooks, "_producers", lambda: {"sum": "sum"})
    with pytest.raises(
        ValueError,
        match=r"sum came from.*run: kedro run --env ml-1m --params factor=3 "
        r"--pipelines growing --from-nodes halve$",
    ):
        run(folder, part=reader)


def test_a_second_output_is_of_no_known_make_once_the_first_is_written(
    folder, monkeypatch
):
    run(folder, part=Pipeline([Node(add, ["raw", "raw"], "sum", name="sum")]))
    halving = Pipeline([Node(halve, "raw", ["scaled", "sum"], name="halve")])

    def be_killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(two_tower.hooks.LineageStore, "write", be_killed)
    with pytest.raises(KeyboardInterrupt):
        run(folder, part=halving)
    assert not (folder / "lineage" / "sum.json").exists()


def test_a_finished_making_leaves_no_way_out_behind(folder):
    run(folder)
    assert not list((folder / "lineage").glob("*.unfinished"))


def test_a_run_leaves_a_record_of_its_data_and_packages(folder):
    run(folder, env="ml-1m")
    found = json.loads((folder / "run_record.json").read_text())
    assert found["env"] == "ml-1m"
    assert found["error"] is None
    assert found["pipelines"] == ["__default__"]
    assert found["sources"] == {"raw": lineage(folder, "scaled")["inputs"]["raw"]}
    assert {"kedro", "keras", "tensorflow"} <= found["packages"].keys()


def test_a_failed_run_leaves_a_record_with_its_error(folder):
    run(folder)
    (folder / "raw.json").write_text("[1, 3]")
    with pytest.raises(ValueError, match="mix"):
        run(folder, "add", run_id="2026-01-02T00.00.00.000Z")
    found = json.loads((folder / "run_record.json").read_text())
    assert found["error"].startswith("ValueError: add can't mix its inputs: scaled")
    assert found["sources"] == {"raw": fingerprint_files(str(folder / "raw.json"))}


def test_a_source_without_a_file_is_refused_with_the_ways_out(folder):
    with pytest.raises(
        ValueError,
        match=r"its dataset MemoryDataset has no filepath; "
        r"give the class a method `fingerprint\(\) -> str`, or .*{lineage: false}",
    ):
        run(folder, "scale", raw={"type": "MemoryDataset", "data": [1, 2]})


# covers: X17
def test_a_checkpoint_goes_when_the_last_output_of_its_training_is_saved(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint("of these data", {}, {}))
    training = Node(lambda store: (1, 2), "training_checkpoints", ["model", "history"])
    hooks = CheckpointHooks()
    hooks.before_node_run(inputs={"training_checkpoints": store})
    hooks.after_dataset_saved(dataset_name="model", node=training)
    assert store.load("of these data")
    hooks.after_dataset_saved(dataset_name="history", node=training)
    assert store.load("of these data") is None
