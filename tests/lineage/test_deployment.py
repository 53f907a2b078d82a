"""Retraining and added items: what they start from, however often they are killed."""

import os
import shutil
from pathlib import Path

import pytest
from kedro.io import DatasetError
from kedro.pipeline import Node, Pipeline

from tests.crashes import run_forked
from tests.lineage.small_runs import LATER, PIPELINES, add, copy, retrain, run, value
from two_tower.lineage import graph
from two_tower.lineage.records import LineageStore

EVERY = bool(os.environ.get("TWO_TOWER_EVERY_KILL"))
AGAIN = "2026-01-03T00.00.00.000Z"
RESULT = {"retrain": [1, 2, 2, 4], "add": [2, 4, 7]}


@pytest.fixture
def trained(deployment):
    run(deployment, pipeline=PIPELINES["__default__"])
    return deployment


@pytest.mark.parametrize("name", RESULT)
def test_a_run_from_the_deployed_model_replaces_it(trained, name):
    retrain(trained, name)
    assert value(trained, "index") == RESULT[name]


def test_a_second_retraining_starts_from_the_first_one(trained):
    retrain(trained)
    retrain(trained, run_id=AGAIN)
    assert value(trained, "index") == [1, 2, *RESULT["retrain"]]


@pytest.mark.parametrize("name", RESULT)
def test_a_run_that_is_killed_anywhere_and_repeated_gives_the_result_of_one(
    trained, tmp_path_factory, name
):
    def copy_data() -> Path:
        folder = tmp_path_factory.mktemp(name) / "data"
        shutil.copytree(trained, folder)
        return folder

    whole = copy_data()
    changes = run_forked(lambda: retrain(whole, name), whole).changes
    assert value(whole, "index") == RESULT[name]
    every = range(1, len(changes) + 1)
    for at in every if EVERY else every[3::9]:
        folder = copy_data()
        killed = run_forked(lambda folder=folder: retrain(folder, name), folder, at=at)
        assert killed.code == -9, killed.output
        retrain(folder, name, run_id=AGAIN)
        assert value(folder, "index") == RESULT[name], changes[at - 1]


@pytest.fixture
def killed(trained, tmp_path_factory):
    """A retraining that was killed after it had replaced the tower."""
    copy = tmp_path_factory.mktemp("counted") / "data"
    shutil.copytree(trained, copy)
    changes = run_forked(lambda: retrain(copy), copy).changes
    at = next(i for i, change in enumerate(changes, 1) if "index.unfinished" in change)
    run_forked(lambda: retrain(trained), trained, at=at)
    return trained


def test_refusals_after_a_killed_retraining_name_its_command(killed):
    (killed / "lineage" / "tower.json").unlink()
    with pytest.raises(
        ValueError,
        match=r"tower has no lineage record: .*; run: kedro run --pipelines retrain$",
    ):
        retrain(killed, "indexing")


def test_items_are_not_added_to_a_half_retrained_model(killed):
    with pytest.raises(
        ValueError,
        match=rf"run {LATER} has not finished, so the deployed model is in part its "
        "result; run: kedro run --pipelines retrain$",
    ):
        retrain(killed, "add")


def test_a_killed_retraining_may_be_finished_by_its_last_pipeline(killed):
    retrain(killed, "indexing", run_id=AGAIN)
    assert value(killed, "index") == RESULT["retrain"]
    retrain(killed, run_id="2026-01-04T00.00.00.000Z")
    assert value(killed, "index") == [1, 2, *RESULT["retrain"]]


def test_a_new_training_makes_up_for_a_killed_retraining(killed):
    run(killed, pipeline=PIPELINES["__default__"], run_id=AGAIN)
    retrain(killed, run_id="2026-01-04T00.00.00.000Z")
    assert value(killed, "index") == RESULT["retrain"]


def test_a_model_of_a_new_training_is_retrained_before_it_is_indexed(killed):
    first = PIPELINES["__default__"].only_nodes("train", "export")
    run(killed, pipeline=first, factor=3, run_id=AGAIN)
    retrain(killed, run_id="2026-01-04T00.00.00.000Z")
    assert value(killed, "index") == [1, 2, 3, 6]


def test_a_part_of_a_killed_retraining_does_not_finish_it(killed):
    retraining = PIPELINES["retrain"]
    options = {"pipeline_names": ["retrain"], "run_id": AGAIN}
    run(killed, "export", pipeline=retraining, **options)
    retrain(killed, run_id="2026-01-04T00.00.00.000Z")
    assert value(killed, "index") == RESULT["retrain"]


def test_the_beginning_of_a_killed_retraining_does_not_finish_it(killed):
    options = {"pipeline_names": ["retrain"], "run_id": AGAIN}
    run(killed, "train", pipeline=PIPELINES["retrain"], **options)
    retrain(killed, run_id="2026-01-04T00.00.00.000Z")
    assert value(killed, "index") == RESULT["retrain"]


def test_a_refused_run_leaves_nothing_unfinished(trained):
    (trained / "raw.json").unlink()
    with pytest.raises(DatasetError, match=r"raw\.json"):
        retrain(trained)
    (trained / "raw.json").write_text("[1, 2]")
    retrain(trained, "add")


def test_without_a_model_there_is_nothing_to_retrain(deployment):
    with pytest.raises(
        ValueError, match=r"there is no query tower in .*; run: kedro run"
    ):
        retrain(deployment)


def test_a_half_saved_model_is_not_retrained(trained):
    command = "kedro run --from-nodes export"
    LineageStore(trained / "lineage").mark_unfinished("tower", command)
    with pytest.raises(
        ValueError,
        match="tower has no lineage record: the run that wrote it was interrupted; "
        f"run: {command}$",
    ):
        retrain(trained)


def test_a_damaged_note_of_a_killed_retraining_is_named(killed):
    (killed / "deployed" / "_unfinished.json").write_text("{}")
    with pytest.raises(ValueError, match=r"_unfinished.json is damaged.*kedro run$"):
        retrain(killed)
    run(killed, pipeline=PIPELINES["__default__"], run_id=AGAIN)
    retrain(killed, run_id="2026-01-04T00.00.00.000Z")
    assert value(killed, "index") == RESULT["retrain"]


def test_a_model_that_was_replaced_by_hand_is_refused(trained):
    other = trained / "other"
    other.mkdir()
    (other / "raw.json").write_text("[5]")
    run(other, pipeline=PIPELINES["__default__"])
    (trained / "tower").rename(trained / "former")
    (other / "tower").rename(trained / "tower")
    with pytest.raises(ValueError, match="tower is not what export saved: its files"):
        retrain(trained)
    (trained / "lineage" / "tower.json").unlink()  # brought in from elsewhere
    retrain(trained)
    assert value(trained, "index") == [1, 2, 10]


def test_the_kept_model_is_removed_by_the_next_run(trained):
    retrain(trained)
    assert (trained / "deployed").exists()
    retrain(trained, "indexing")
    assert not (trained / "deployed").exists()


def test_outputs_of_two_deployed_models_are_not_mixed(trained):
    retrain(trained)
    retrain(trained, "add", run_id=AGAIN)
    reader = Pipeline([Node(add, ["model", "tower"], "sum", name="read")])
    with pytest.raises(
        ValueError,
        match=r"read can't mix its inputs: model and tower were made from different "
        r"versions of deployed; run: kedro run --pipelines retrain$",
    ):
        run(trained, pipeline=reader)


def test_items_may_be_added_from_newer_data_than_the_histories(trained, monkeypatch):
    typing = Pipeline([Node(copy, "raw_sum", "more", name="type")])
    histories = Pipeline([Node(copy, "more", "sum", name="collect")])
    reader = Pipeline([Node(add, ["sum", "tower"], "added", name="read")])
    others = {"histories": typing + histories, "read": reader}
    monkeypatch.setattr(graph, "pipelines", {**PIPELINES, **others})
    (trained / "raw_sum.json").write_text("[7]")
    run(trained, pipeline=typing + histories)
    (trained / "raw_sum.json").write_text("[8]")
    run(trained, pipeline=typing + PIPELINES["add"], run_id=LATER)
    run(trained, pipeline=reader, run_id=AGAIN)
    assert value(trained, "added") == [7, 2, 4, 8]
    last = Pipeline([Node(copy, "added", "scaled", name="last")])
    run(trained, pipeline=last, run_id=AGAIN)
    assert value(trained, "scaled") == [7, 2, 4, 8]
