"""The command line of the packaged project."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-m", "two_tower", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_module_has_the_options_of_kedro_run():
    done = run_module("--help")
    assert done.returncode == 0
    assert {"--pipelines", "--params"} <= set(done.stdout.replace(",", " ").split())


def test_the_module_passes_its_arguments_on_to_kedro_run():
    done = run_module("--pipelines", "no_such_pipeline")
    assert done.returncode != 0
    assert "no_such_pipeline" in done.stderr
