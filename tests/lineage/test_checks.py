"""Checks before the first node: inputs and skipped outputs against what is in force."""

import json
import logging
import re
from dataclasses import replace

import pytest
from kedro.pipeline import Node, Pipeline

from tests.lineage.small_runs import (
    PIPELINE,
    add,
    lineage,
    run,
    scale,
    value,
)
from two_tower.lineage import graph
from two_tower.lineage.parameters import describe_differences
from two_tower.lineage.records import LineageStore, fingerprint_output


def test_an_input_made_with_other_parameters_is_refused_with_two_commands(folder):
    run(folder, factor=2, env="ml-1m", runtime_params={"times": {"factor": 2}})
    command = (
        "scaled was made with other parameters: times.factor was 2, is 3. Use it as it "
        "is: kedro run --env ml-1m --params times.factor=2 --nodes add; make it again: "
        "kedro run --env ml-1m --params times.factor=3 --from-nodes scale"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(command)}$"):
        run(
            folder,
            "add",
            factor=3,
            env="ml-1m",
            runtime_params={"times": {"factor": 3}},
            node_names=["add"],
        )
    assert value(folder, "added") == [1, 2, 2, 4]


def test_parameters_changed_in_a_file_are_refused_too(folder):
    run(folder, factor=2)
    with pytest.raises(
        ValueError,
        match=r"times.factor was 2, is 3; make it again: kedro run --from-nodes scale$",
    ):
        run(folder, "add", factor=3)
    for factor in range(4, 11):  # fingerprints above and below the recorded one
        with pytest.raises(ValueError, match=f"times.factor was 2, is {factor}"):
            run(folder, "add", factor=factor)
    run(folder, factor=3)
    run(folder, "add", factor=3)


@pytest.fixture
def longer(folder, monkeypatch) -> Pipeline:
    """Return a pipeline whose last dataset has an ancestor with parameters."""
    pipeline = PIPELINE + Pipeline([Node(add, ["added", "added"], "sum", name="sum")])
    monkeypatch.setattr(graph, "pipelines", {"__default__": pipeline})
    return pipeline


def test_parameters_of_an_ancestor_count(folder, longer):
    run(folder, pipeline=longer)
    with pytest.raises(
        ValueError,
        match=r"added was made from scaled, which was made with other parameters: "
        "times.factor was 2, is 3",
    ):
        run(folder, "sum", pipeline=longer, factor=3)
    run(folder, "sum", pipeline=longer)


def test_an_ancestor_that_was_made_again_since_counts_as_it_was(folder, longer):
    run(folder, pipeline=longer, factor=2)
    run(folder, "scale", pipeline=longer, factor=3)
    run(folder, "sum", pipeline=longer, factor=2)  # of the parameters in force
    with pytest.raises(
        ValueError,
        match=r"added was made from another version of scaled than the present "
        r"parameters make; run: kedro run$",
    ):
        run(folder, "sum", pipeline=longer, factor=4)


def test_a_parameter_that_no_longer_exists_is_not_compared(folder):
    run(folder)
    store = LineageStore(folder / "lineage")
    made = store.find("scaled")
    former = {"former": {"group": 1}, **made.parameters}
    fingerprint = fingerprint_output("scale", "scaled", former, made.inputs)
    store.write("scaled", replace(made, parameters=former, fingerprint=fingerprint))
    run(folder, "add")


def test_inputs_of_different_versions_are_refused_before_the_first_node(folder):
    calls = []

    def note(numbers: list[int]) -> list[int]:
        calls.append(numbers)
        return numbers

    run(folder)
    (folder / "raw.json").write_text("[1, 3]")
    first = Node(note, "raw", "sum", name="first")
    last = Node(add, ["sum", "scaled"], "added", name="last")
    with pytest.raises(ValueError, match="last can't mix its inputs: scaled"):
        run(folder, pipeline=Pipeline([first, last]))
    assert calls == []


def test_outputs_that_exist_are_skipped_if_they_are_what_would_be_made(folder):
    run(folder)
    (folder / "added.json").unlink()
    run(folder, only_missing_outputs=True)
    record = json.loads((folder / "run_record.json").read_text())
    assert record["nodes"] == {"run": ["scale", "add"], "not_run": []}


def test_the_run_record_says_what_was_skipped(folder):
    run(folder)
    (folder / "added.json").unlink()
    run(folder, only_missing_outputs=True, run_id="2026-01-02T00.00.00.000Z")
    record = json.loads((folder / "run_record.json").read_text())
    assert record["nodes"] == {"run": ["add"], "not_run": ["scale"]}
    assert record["options"] == {"only_missing_outputs": True}


@pytest.mark.parametrize("change", ["parameter", "source"])
def test_skipping_outputs_of_other_parameters_or_sources_is_refused(folder, change):
    run(folder)
    why = "with other parameters: times.factor was 2, is 3"
    if change == "source":
        (folder / "raw.json").write_text("[1, 3]")
        why = "from another version of raw"
    with pytest.raises(
        ValueError,
        match="scaled exists, so --only-missing-outputs would skip scale, but it was "
        f"made {why}; make it again: kedro run --from-nodes scale$",
    ):
        run(
            folder,
            factor=3 if change == "parameter" else 2,
            only_missing_outputs=True,
        )


def test_a_refused_skip_names_the_first_of_several_changed_inputs(folder):
    pipeline = Pipeline([Node(add, ["raw", "more"], "sum", name="sum")])
    for text in ("[1]", "[2]"):
        for name in ("raw", "more"):
            (folder / f"{name}.json").write_text(text)
        if text == "[1]":
            run(folder, pipeline=pipeline)
    with pytest.raises(ValueError, match="made from another version of more; make it"):
        run(folder, pipeline=pipeline, only_missing_outputs=True)


def test_a_refused_skip_offers_the_options_that_made_the_output(folder):
    run(folder, runtime_params={"times": {"factor": 2}})
    with pytest.raises(
        ValueError,
        match=r"factor was 2, is 3. Use it as it is: kedro run --params "
        r"times.factor=2 --only-missing-outputs; make it again: kedro run",
    ):
        run(folder, factor=3, only_missing_outputs=True)


def test_skipping_the_output_of_another_node_is_refused(folder):
    other = Pipeline([Node(add, ["raw", "raw"], "scaled", name="double")])
    run(folder, pipeline=other)
    with pytest.raises(ValueError, match="was made by double from raw; make it again"):
        run(folder, only_missing_outputs=True)


def test_skipping_an_unfinished_output_is_refused_with_its_command(folder):
    run(folder)
    (folder / "lineage" / "scaled.json").unlink()
    with pytest.raises(ValueError, match="scaled has no lineage record"):
        run(folder, only_missing_outputs=True)


def test_a_source_that_has_changed_since_is_logged(folder, longer, caplog):
    run(folder, pipeline=longer)
    for number in range(3, 9):  # fingerprints above and below the recorded one
        (folder / "raw.json").write_text(f"[1, {number}]")
        caplog.clear()
        with caplog.at_level(logging.WARNING, "two_tower"):
            run(folder, "sum", pipeline=longer)
        assert (
            "raw has changed since added was made from it; this run uses the earlier "
            "version. To use the new one, run: kedro run" in caplog.text
        )


TABLES = Pipeline(
    [
        Node(scale, ["raw", "params:times"], "scaled", name="scale"),
        Node(scale, ["raw_sum", "params:times"], "sum", name="scale_other"),
        Node(add, ["scaled", "sum"], "added", name="add"),
    ]
)


def test_two_tables_of_one_file_are_one_source(folder, monkeypatch):
    monkeypatch.setattr(graph, "pipelines", {"__default__": TABLES})
    same = {
        "type": "two_tower.datasets.atomic_files.AtomicJSONDataset",
        "filepath": str(folder / "raw.json"),
    }
    options = {"pipeline": TABLES, "entries": {"raw_sum": same}}
    run(folder, **options)
    (folder / "raw.json").write_text("[1, 3]")
    run(folder, "scale", **options)  # killed before the other table
    with pytest.raises(
        ValueError,
        match="add can't mix its inputs: scaled and sum were made from different "
        r"versions of raw; run: kedro run --from-inputs raw,raw_sum$",
    ):
        run(folder, "add", **options)
    run(folder, **options)
    assert value(folder, "added") == [2, 6, 2, 6]


@pytest.mark.parametrize("text", ["", "[1]", '{"fingerprint": "a"}'])
def test_a_damaged_record_is_named_with_the_command(folder, text):
    run(folder)
    path = folder / "lineage" / "scaled.json"
    path.write_text(text)
    with pytest.raises(
        ValueError,
        match=f"the lineage record of scaled can't be read: {path} is damaged, or .*; "
        "run: kedro run --from-nodes scale$",
    ):
        run(folder, "add")
    run(folder)
    assert lineage(folder, "scaled")["made_by"] == "scale"


def test_a_damaged_recovery_command_is_named_with_another(folder):
    run(folder)
    (folder / "lineage" / "scaled.json").unlink()
    path = folder / "lineage" / "scaled.unfinished"
    path.write_text("kedro rum")
    with pytest.raises(ValueError, match=f"{path} is damaged.*--from-nodes scale$"):
        run(folder, "add")


def test_differences_name_kinds_first_and_are_cut():
    before = {"split": {"kind": "a", "a": {"x": 1, "y": 2}, "b": {"z": [1]}}}
    now = {"split": {"kind": "b", "a": {"x": 2, "y": 3}, "b": {"z": [2]}}}
    assert describe_differences(before, now) == (
        'split.kind was "a", is "b", split.a.x was 1, is 2, split.a.y was 2, is 3, '
        "and 1 more differ"
    )
    assert describe_differences({"a": None}, {}) == "a was null, is absent"
    assert describe_differences(before, before) == ""
    three = {"x": 1, "y": 2, "z": 3}
    assert "more" not in describe_differences(three, dict.fromkeys(three, 4))


@pytest.mark.parametrize(("length", "end"), [(58, '"'), (59, "…")])
def test_long_values_of_a_difference_are_cut_and_letters_kept(length, end):
    text = "é" * length
    assert describe_differences({"a": 1}, {"a": text}) == f'a was 1, is "{text}{end}'
