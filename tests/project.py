"""A copy of the project with data of its own, run as people run it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Project:
    """A project in `folder`, with its own data."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Project":
        folder.mkdir(parents=True)
        for name in ("conf", "src"):
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(SOURCE / name, folder / name, ignore=ignored)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(SOURCE / name, folder)
        return cls(folder)

    def copy(self, folder: Path) -> "Project":
        """Return a project that has run as far as this one."""
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def kedro(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `kedro <args>` in the project's folder."""
        return subprocess.run(  # noqa: S603 - this very Python
            [sys.executable, "-m", "kedro", *args],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *args: str) -> str:
        """Run `kedro run --env test <args>` and return what it writes."""
        done = self.kedro("run", "--env", "test", *args)
        written = done.stdout + done.stderr
        assert done.returncode == 0, written
        return written

    def refusal(self, *args: str) -> str:
        """Return what `kedro run --env test <args>` writes before it fails."""
        done = self.kedro("run", "--env", "test", *args)
        assert done.returncode != 0, done.stdout
        # A log is wrapped to the width of a terminal.
        return " ".join((done.stdout + done.stderr).split())

    def output(self, layer: str, name: str) -> Path:
        return self.folder / "data" / layer / "test" / name


def environment() -> dict[str, str]:
    """Return this process's environment without what tests set for themselves."""

    own = {"CI", "KEDRO_LOGGING_CONFIG", "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"}
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return {**kept, "COLUMNS": "200"}
