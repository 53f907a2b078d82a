import platform
import subprocess
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

from two_tower.lineage.run_record import describe_run

NODES = {"run": ["ingestion.type_items"], "not_run": []}


@pytest.fixture
def run_params(tmp_path) -> dict[str, Any]:
    return {
        "run_id": "2026-01-01T00.00.00.000Z",
        "env": "ml-1m",
        "pipeline_names": ["training", "export"],
        "runtime_params": {"preset": "mean"},
        "project_path": str(tmp_path),
    }


def test_a_record_holds_the_options_and_the_sources_of_the_run(run_params):
    record = describe_run(run_params, {"raw_items": "aa"}, NODES)
    assert record["run"] == "2026-01-01T00.00.00.000Z"
    assert record["env"] == "ml-1m"
    assert record["pipelines"] == ["training", "export"]
    assert record["params"] == {"preset": "mean"}
    assert record["sources"] == {"raw_items": "aa"}
    assert record["error"] is None
    assert record["nodes"] == NODES
    assert record["options"] == {}


def test_a_record_holds_the_options_that_choose_nodes(run_params):
    given = {"only_missing_outputs": True, "tags": ["cpu"], "to_nodes": []}
    record = describe_run(run_params | given, {}, NODES)
    assert record["options"] == {"only_missing_outputs": True, "tags": ["cpu"]}


def test_a_run_without_pipelines_is_the_default_one(run_params):
    record = describe_run(run_params | {"pipeline_names": []}, {}, NODES)
    assert record["pipelines"] == ["__default__"]


def test_a_record_holds_the_error_that_ended_the_run(run_params):
    record = describe_run(run_params, {}, NODES, ValueError("no such user"))
    assert record["error"] == "ValueError: no such user"


def test_a_record_holds_the_versions_of_python_and_of_installed_packages(run_params):
    record = describe_run(run_params, {}, NODES)
    assert record["python"] == platform.python_version()
    assert {"kedro", "keras", "pyarrow"} <= record["packages"].keys()


def test_packages_that_are_not_installed_have_no_version(run_params, monkeypatch):
    def version(package: str) -> str:
        if package == "jax":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    packages = describe_run(run_params, {}, NODES)["packages"]
    assert packages["keras"] == "1.0"
    assert "jax" not in packages


def test_a_project_outside_of_git_has_no_commit(run_params):
    assert describe_run(run_params, {}, NODES)["commit"] is None


def test_a_project_in_git_has_the_commit_and_whether_it_was_changed(
    run_params, tmp_path
):
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    (tmp_path / "a.txt").write_text("1")
    git("add", "a.txt")
    git("commit", "--quiet", "--message", "Add a file")
    commit = git("rev-parse", "--short", "HEAD")
    assert describe_run(run_params, {}, NODES)["commit"] == commit
    (tmp_path / "a.txt").write_text("2")
    assert describe_run(run_params, {}, NODES)["commit"] == f"{commit}-dirty"


def test_without_git_there_is_no_commit(run_params, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert describe_run(run_params, {}, NODES)["commit"] is None
