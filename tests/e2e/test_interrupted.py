"""Runs of the whole project that are killed, stopped, or started in pairs.

With TWO_TOWER_EVERY_KILL=1 all pipelines are killed before every 20th change to files.
"""

import os
from pathlib import Path

import pytest

from tests.crashes import STOP, Forks
from tests.project import Project

EVERY = bool(os.environ.get("TWO_TOWER_EVERY_KILL"))
DATA = ("run", "--env", "test", "--pipelines", "data")


@pytest.fixture(scope="module")
def forks(finished_project):
    with Forks(finished_project.folder, with_keras=EVERY) as forks:
        yield forks


@pytest.fixture
def project(finished_project, tmp_path) -> Project:
    return finished_project.copy(tmp_path / "project")


def fingerprints(project: Project) -> dict[str, bytes]:
    """Return the content of all tables and models, and of their lineage records."""
    data = project.folder / "data"
    return {
        str(pointer.relative_to(data)): pointer.read_bytes()
        for pointer in data.rglob("_current")
        if "deployed" not in str(pointer)
    }


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_a_killed_run_is_repeated_to_the_same_result(project, forks):
    whole = forks.run(project.folder, *DATA)
    assert whole.code == 0, whole.output
    expected = fingerprints(project)
    at = len(whole.changes) // 2
    assert forks.run(project.folder, *DATA, at=at).code == -9
    again = forks.run(project.folder, *DATA)
    assert again.code == 0, again.output
    assert fingerprints(project) == expected, whole.changes[at - 1]


def test_one_of_two_runs_at_once_is_refused(project, forks):
    pair = [forks.start(project.folder, *DATA) for _ in range(2)]
    done = sorted((forks.wait(process) for process in pair), key=lambda one: one.code)
    assert [one.code for one in done] == [0, 1]
    message = unwrapped(done[1].output)
    assert "another run is writing" in message
    assert f"process {pair[0]}" in message or f"process {pair[1]}" in message


def test_a_run_beside_a_stopped_one_is_refused(project, forks):
    stopped = forks.start(project.folder, *DATA, at=30, action=STOP)
    forks.wait_for_stop(stopped)
    refused = forks.run(project.folder, *DATA)
    assert refused.code == 1
    assert f"process {stopped}" in unwrapped(refused.output)
    assert forks.wait(stopped).code == -9
    assert forks.run(project.folder, *DATA).code == 0


def test_tables_of_two_archives_are_not_mixed(project, forks):
    simulate = ("run", "--env", "test", "--pipelines", "simulation")
    whole = forks.run(project.folder, *DATA)
    assert (
        forks.run(project.folder, *simulate, "--params", "simulation.seed=7").code == 0
    )
    items = next(
        at for at, path in enumerate(whole.changes, 1) if "items.unfinished" in path
    )
    assert forks.run(project.folder, *DATA, at=items).code == -9
    sequencing = ("run", "--env", "test", "--pipelines", "sequencing")
    refused = forks.run(project.folder, *sequencing)
    assert refused.code == 1
    command = "--from-inputs raw_interactions,raw_items,raw_users"
    assert command in unwrapped(refused.output)


def test_a_partial_run_with_other_parameters_is_refused(project, forks):
    refused = forks.run(
        project.folder,
        *("run", "--env", "test", "--pipelines", "evaluation"),
        *("--params", "sequencing.split.kind=temporal"),
    )
    assert refused.code == 1
    message = unwrapped(refused.output)
    assert 'sequencing.split.kind was "leave_one_out", is "temporal"' in message
    assert "Use it as it is: kedro run --env test --pipelines evaluation" in message
    assert "--from-nodes data.sequencing.assign_splits" in message


if EVERY:  # it takes hours, and CI counts a skipped test as failed

    @pytest.mark.parametrize("name", ["__default__", "retrain", "add_items"])
    def test_every_pipeline_is_killed_and_repeated(
        finished_project, tmp_path, forks, name
    ):
        run = ("run", "--env", "test", "--pipelines", name)

        def copy(number: int) -> Project:
            return finished_project.copy(Path(tmp_path, str(number)))

        whole = copy(0)
        changes = forks.run(whole.folder, *run).changes
        expected = fingerprints(whole)
        for at in range(1, len(changes) + 1, 20):
            project = copy(at)
            assert forks.run(project.folder, *run, at=at).code == -9
            again = forks.run(project.folder, *run)
            assert again.code == 0, again.output
            assert fingerprints(project) == expected, changes[at - 1]
