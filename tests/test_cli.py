"""`kedro run` as the project's own command."""

from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.startup import bootstrap_project
from kedro.io import DatasetError

from two_tower import cli

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run the command in this project; tracebacks are kept in another folder."""
    bootstrap_project(PROJECT)
    monkeypatch.chdir(PROJECT)

    def run(*arguments: str) -> Result:
        about = SimpleNamespace(project_path=tmp_path)
        return CliRunner().invoke(cli.run, arguments, obj=about)

    return run


def test_the_command_has_the_options_of_kedro_run():
    assert cli.run.params == kedro_run.params
    assert cli.cli.commands == {"run": cli.run}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "ml1m"], "has no environment 'ml1m'; did you mean ml-1m"),
        (["--pipelines", "trainig"], "no pipeline 'trainig'; did you mean training"),
        (
            ["--params", "trainig.epochs=1"],
            "gives trainig, which nothing reads; did",
        ),
        (
            ["--params", "training.epochs=[1"],
            "--params can't be read as YAML: expec",
        ),
        (["--load-versions", "items"], "Expected the form of 'load_versions'"),
        (["--runner", "a.B"], "the runner 'a.B' can't be imported"),
        (["--async"], "--async and ThreadRunner are not supported"),
        (["--conf-source", str(PROJECT / "docs")], "docs is no configuration: it has"),
    ],
    ids=str,
)
def test_a_mistake_ends_in_its_message(call, arguments, message, tmp_path):
    done = call(*arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    errors = done.stderr[done.stderr.index("Error: ") :]
    assert len(errors.splitlines()) == 2
    log = tmp_path / "logs" / "errors.log"
    assert errors.splitlines()[1] == f"The traceback is in {log}"
    assert "Traceback (most recent call last)" in log.read_text()


def test_options_of_a_file_are_read(call, tmp_path):
    (tmp_path / "run.yml").write_text("run: { env: ml1m }")
    assert "no environment 'ml1m'" in call("--config", str(tmp_path / "run.yml")).stderr


@pytest.mark.parametrize("text", ["", "rum: { env: a }", "run: { evn: a }", "run: ["])
def test_a_file_of_wrong_options_is_refused_by_name(call, tmp_path, text):
    file = tmp_path / "run.yml"
    file.write_text(text)
    done = call("--config", str(file))
    assert done.exit_code == 1
    assert f"Error: {file} " in done.stderr
    assert "program" not in done.stderr


def test_a_wrong_option_keeps_clicks_message(call):
    done = call("--pipelins", "training")
    assert done.exit_code == 2
    assert "No such option" in done.stderr
    assert "traceback" not in done.stderr.lower()


def test_a_fault_of_the_program_can_be_reported(call, monkeypatch, tmp_path):
    def fail(**options: object) -> None:
        raise KeyError("user_id")

    command = cli.RunCommand("run", params=kedro_run.params, callback=fail)
    monkeypatch.setattr(cli, "run", command)
    done = call("--pipelines", "training")
    assert done.exit_code == 1
    assert "Error: KeyError: 'user_id'" in done.stderr
    assert "please report it" in done.stderr
    assert "in fail" in (tmp_path / "logs" / "errors.log").read_text()


def test_commands_of_a_message_repeat_the_options_of_the_run(call, monkeypatch):
    def fail(**options: object) -> None:
        raise DatasetError("the index is damaged; run: kedro run --pipelines indexing")

    command = cli.RunCommand("run", params=kedro_run.params, callback=fail)
    monkeypatch.setattr(cli, "run", command)
    again = "run: kedro run --env test --params training.epochs=2 --pipelines indexing"
    done = call("--env", "test", "--params", "training.epochs=2")
    assert f"Error: the index is damaged; {again}\n" in done.stderr
    assert "damaged; run: kedro run --pipelines indexing\n" in call().stderr


def test_an_interruption_is_clicks(monkeypatch):
    def interrupt(**options: object) -> None:
        raise click.Abort

    command = cli.RunCommand("run", params=kedro_run.params, callback=interrupt)
    done = CliRunner().invoke(command, ["--pipelines", "training"])
    assert "Aborted!" in done.stderr
