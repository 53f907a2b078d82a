"""The lineage hooks, on pipelines of one or two nodes."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from kedro.io import DatasetError
from kedro.pipeline import Node, Pipeline

from tests.lineage.small_runs import LATER, PIPELINE, add, lineage, run
from two_tower.hashes import hash_file
from two_tower.lineage import graph, hooks
from two_tower.lineage.records import (
    LineageStore,
    fingerprint_files,
    fingerprint_output,
)


def test_each_output_has_a_record_of_its_origin(folder):
    run(folder)
    scaled, added = lineage(folder, "scaled"), lineage(folder, "added")
    assert scaled["made_by"] == "scale"
    assert scaled["parameters"] == {"times": {"factor": 2}}
    assert added["inputs"] == added["ancestors"]
    assert added["inputs"]["scaled"] == scaled["fingerprint"]
    assert added["ancestors"]["raw"] == scaled["inputs"]["raw"]


def test_equal_runs_give_equal_fingerprints(folder):
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


def test_inputs_of_different_versions_are_refused_with_a_recovery_command(folder):
    run(folder)
    (folder / "raw.json").write_text("[1, 3]")
    with pytest.raises(
        ValueError,
        match=r"add can't mix its inputs: scaled was made from another version of "
        r"raw; run: kedro run --env ml-1m --from-inputs raw$",
    ):
        run(folder, "add", env="ml-1m")


def test_the_recovery_command_repeats_the_params_of_the_run(folder):
    run(folder)
    (folder / "raw.json").write_text("[1, 3]")
    params = {"preset": "mean", "training": {"epochs": 3, "device": None}}
    with pytest.raises(
        ValueError,
        match="run: kedro run --env ml-1m --params "
        r"preset=mean,training.epochs=3,training.device=null --from-inputs raw$",
    ):
        run(folder, "add", env="ml-1m", runtime_params=params)


def test_params_of_the_recovery_command_are_quoted_for_the_shell(folder):
    (folder / "scaled.json").write_text("[5]")
    with pytest.raises(ValueError, match=r"--params 'report.title=A b' --from-nodes"):
        run(folder, "add", runtime_params={"report": {"title": "A b"}})


def test_text_params_that_look_like_numbers_stay_text_in_the_recovery_command(folder):
    (folder / "scaled.json").write_text("[5]")
    with pytest.raises(ValueError, match="run: kedro run --params") as refusal:
        run(folder, "add", runtime_params={"user_id": "00042", "engine": "duckdb"})
    words = shlex.split(str(refusal.value).partition("run: ")[2])
    assert words[3] == "user_id='00042',engine=duckdb"


GROWING = Pipeline(
    [
        Node(add, ["raw", "more"], "scaled", name="grow"),
        Node(add, ["raw", "scaled"], "added", name="add"),
    ]
)


def test_the_recovery_command_names_the_pipeline_of_the_conflicting_datasets(
    folder, monkeypatch
):
    run(folder)
    both = {"growing": GROWING, "__default__": PIPELINE}
    monkeypatch.setattr(graph, "pipelines", both)
    for name, version in (("scaled", "old"), ("raw_sum", "new")):
        path = folder / f"{name}.json"
        put(path, "[1]")
        store = LineageStore(folder / "lineage")
        made = store.find("scaled")
        changes = {
            "fingerprint": fingerprint_output(
                "scale", name, made.parameters, made.inputs
            ),
            "ancestors": {"more": version},
            "content": fingerprint_files(str(path)),
        }
        store.write(name, replace(made, **changes))
    reader = Pipeline([Node(add, ["scaled", "raw_sum"], "sum", name="add")])
    monkeypatch.setattr(
        graph, "find_producers", lambda: {"scaled": "grow", "raw_sum": "grow"}
    )
    with pytest.raises(
        ValueError, match=r"run: kedro run --pipelines growing --from-inputs more$"
    ):
        run(folder, pipeline=reader)


def test_the_recovery_command_prefers_the_node_of_the_default_pipeline(
    folder, monkeypatch
):
    both = {"__default__": PIPELINE, "growing": GROWING}
    monkeypatch.setattr(graph, "pipelines", both)
    (folder / "scaled.json").write_text("[5]")
    with pytest.raises(
        ValueError, match=r"scaled has no lineage record: .*--from-nodes scale$"
    ):
        run(folder, "add")


def test_the_recovery_command_resolves_the_conflict(folder):
    run(folder)
    (folder / "raw.json").write_text("[1, 3]")
    run(folder)
    assert json.loads((folder / "added.json").read_text()) == [1, 3, 2, 6]


def test_an_input_without_a_record_is_refused(folder):
    (folder / "scaled.json").write_text("[5]")
    with pytest.raises(
        ValueError, match=r"scaled has no lineage record: .*--from-nodes scale$"
    ):
        run(folder, "add")


def test_an_output_that_was_replaced_by_hand_is_refused(folder, tmp_path_factory):
    run(folder)
    # Another data set's output of the same node, parameters and size.
    other = tmp_path_factory.mktemp("other")
    (other / "raw.json").write_text("[1, 3]")
    run(other)
    put(folder / "scaled.json", (other / "scaled.json").read_text())
    with pytest.raises(
        ValueError,
        match="scaled is not what scale saved: its files were changed or replaced by "
        r"hand; run: kedro run --from-nodes scale$",
    ):
        run(folder, "add")
    run(folder)
    assert json.loads((folder / "added.json").read_text()) == [1, 2, 2, 4]


def put(path: Path, text: str) -> None:
    """Put a file in place of one that was saved, and of its hash."""
    path.write_text(text)
    hash_file(path).unlink(missing_ok=True)


def test_an_output_whose_save_failed_has_no_record(folder):
    run(folder)
    (folder / "raw.json").write_text("[NaN]")  # can be loaded but not saved
    with pytest.raises(DatasetError, match="scaled"):
        run(folder, "scale")
    assert not (folder / "lineage" / "scaled.json").exists()


def halve(numbers: list[int]) -> tuple[list[int], list[float]]:
    return numbers[:1], [float("nan")]  # no JSON


def test_an_unfinished_output_is_recovered_by_the_pipeline_that_was_writing_it(
    folder, monkeypatch
):
    run(folder)
    run(folder, pipeline=Pipeline([Node(add, ["raw", "raw"], "sum", name="sum")]))
    halving = Pipeline([Node(halve, "raw", ["scaled", "sum"], name="halve")])
    with pytest.raises(DatasetError, match="sum"):
        run(
            folder,
            pipeline=halving,
            pipeline_names=["growing"],
            env="ml-1m",
            runtime_params={"factor": 3},
        )
    assert lineage(folder, "scaled")["made_by"] == "halve"
    reader = Pipeline([Node(add, ["scaled", "sum"], "added", name="add")])
    monkeypatch.setattr(graph, "find_producers", lambda: {"sum": "sum"})
    with pytest.raises(
        ValueError,
        match=r"sum has no lineage record: .*run: kedro run --env ml-1m "
        r"--params factor=3 --pipelines growing --from-nodes halve$",
    ):
        run(folder, pipeline=reader)


def test_all_outputs_are_unfinished_once_the_first_is_being_saved(folder, monkeypatch):
    run(folder, pipeline=Pipeline([Node(add, ["raw", "raw"], "sum", name="sum")]))
    halving = Pipeline([Node(halve, "raw", ["scaled", "sum"], name="halve")])

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(hooks.LineageStore, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(folder, pipeline=halving)
    assert not (folder / "lineage" / "sum.json").exists()


def test_a_finished_node_leaves_no_recovery_command(folder):
    run(folder)
    assert not list((folder / "lineage").glob("*.unfinished"))


def test_a_run_record_holds_its_data_and_packages(folder):
    run(folder, env="ml-1m")
    found = json.loads((folder / "run_record.json").read_text())
    assert found["env"] == "ml-1m"
    assert found["error"] is None
    assert found["pipelines"] == ["__default__"]
    assert found["sources"] == {"raw": lineage(folder, "scaled")["inputs"]["raw"]}
    assert found["nodes"] == {"run": ["scale", "add"], "not_run": []}
    assert {"kedro", "keras", "tensorflow"} <= found["packages"].keys()


def test_the_record_of_a_failed_run_holds_its_error(folder):
    run(folder)
    (folder / "raw.json").write_text("[1, NaN]")  # can be loaded but not saved
    with pytest.raises(DatasetError, match="scaled"):
        run(folder, run_id=LATER)
    found = json.loads((folder / "run_record.json").read_text())
    assert found["error"].startswith("DatasetError: scaled: Failed while saving data")
    assert found["sources"] == {"raw": fingerprint_files(str(folder / "raw.json"))}
    assert found["nodes"] == {"run": [], "not_run": ["scale", "add"]}


def test_a_source_without_a_file_is_refused_with_two_remedies(folder):
    with pytest.raises(
        ValueError,
        match=r"raw has no fingerprint: .* MemoryDataset has no filepath; "
        r"give the class a method `fingerprint\(\) -> str`, or .*{lineage: false}",
    ):
        run(folder, "scale", entries={"raw": {"type": "MemoryDataset", "data": [1, 2]}})


def test_the_recovery_command_names_a_node_with_its_namespace(folder, monkeypatch):
    namespaced = Pipeline(
        [Node(add, ["raw", "raw"], "sum", name="add")],
        namespace="sums",
        prefix_datasets_with_namespace=False,
    )
    monkeypatch.setattr(graph, "pipelines", {"__default__": namespaced})
    reader = Pipeline([Node(add, ["sum", "raw"], "added", name="read")])
    (folder / "sum.json").write_text("[5]")
    with pytest.raises(
        ValueError, match=r"sum has no lineage record: .*--from-nodes sums\.add$"
    ):
        run(folder, pipeline=reader)
    run(folder, pipeline=namespaced.from_nodes("sums.add"))
    assert lineage(folder, "sum")["made_by"] == "sums.add"
    run(folder, pipeline=reader)
