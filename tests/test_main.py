"""The packaged project: a wheel, and its configuration in a folder or an archive."""

import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.project import SOURCE, environment
from two_tower.atomic import POINTER

ARCHIVE = "conf-two_tower.tar.gz"
"""The name that `kedro package` gives to the configuration."""

TABLE = "user,item,time\n" + "".join(
    f"{user},{(user * 7 + step * step) % 9},{1_000_000_000 + step * 3_600}\n"
    for user in range(12)
    for step in range(9)
)
FILES = {
    "globals.yml": {"dataset": "mine"},
    "catalog.yml": {
        "raw_interactions": {
            "type": "two_tower.datasets.csv_table.CSVTableDataset",
            "filepath": "mine.csv",
        },
        "raw_items": {
            "type": "two_tower.datasets.absent_table.AbsentTableDataset",
            "columns": {"item": "string"},
        },
        "raw_users": {
            "type": "two_tower.datasets.absent_table.AbsentTableDataset",
            "columns": {"user": "string"},
        },
    },
    "parameters.yml": {
        "ingestion": {
            "columns": {
                "interactions": {
                    "event_id": None,
                    "user_id": "user",
                    "item_id": "item",
                    "timestamp": "time",
                    "rating": None,
                },
                "items": {"item_id": "item", "title": None},
                "users": {"user_id": "user"},
            }
        }
    },
}


@dataclass(frozen=True)
class Installation:
    """The wheel, installed in `site`, and a folder to run it in."""

    site: Path
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m two_tower <arguments>` outside of the project."""
        return subprocess.run(  # noqa: S603 - this very Python
            [sys.executable, "-m", "two_tower", *arguments],
            cwd=self.folder,
            env=environment() | {"PYTHONPATH": str(self.site)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Installation:
    """Build the wheel, install it into a folder, and package the configuration."""
    folder = tmp_path_factory.mktemp("packaged")
    source, site, work = (folder / name for name in ("source", "site", "work"))
    work.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(SOURCE / "src", source / "src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SOURCE / name, source)
    subprocess.run(  # noqa: S603 - this very Python
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site)),
            *("--no-index", "--no-deps", "--no-build-isolation", str(source)),
        ],
        check=True,
    )
    conf = folder / "conf"
    shutil.copytree(SOURCE / "conf", conf)
    for name, content in FILES.items():
        file = conf / "mine" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(content))
    with tarfile.open(work / ARCHIVE, "w:gz") as archive:
        archive.add(conf, "conf")
    (work / "mine.csv").write_text(TABLE)
    return Installation(site, work)


def test_the_module_has_the_options_of_kedro_run(installation):
    done = installation.run("--help")
    assert done.returncode == 0, done.stderr
    assert {"--pipelines", "--params"} <= set(done.stdout.replace(",", " ").split())


def test_the_module_runs_pipelines_with_options_outside_of_the_project(installation):
    # From a folder and from an archive, with either runner: the tables are equal.
    runs = [("../conf", "SequentialRunner"), (ARCHIVE, "ParallelRunner")]
    made = installation.folder / "data"
    tables = []
    for conf, runner in runs:
        done = installation.run(
            *("--conf-source", conf, "--env=mine", "--pipelines", "data"),
            *("--params", "sequencing.window=3", "--runner", runner),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        reports = made / "08_reporting" / "mine"
        (record,) = (reports / "run_record.json").glob("*/*.json")
        assert json.loads(record.read_text())["params"] == {"sequencing": {"window": 3}}
        tables.append({path.parent: path.read_text() for path in made.rglob(POINTER)})
        shutil.rmtree(made)
    assert len(tables[0]) > 10
    assert tables[0] == tables[1]


def test_a_mistake_in_another_process_ends_in_its_message(installation):
    (installation.folder / "mine.csv").write_text(TABLE + "1,2\n")
    done = installation.run(
        *("--conf-source", "../conf", "--env=mine", "--pipelines", "data"),
        *("--runner", "ParallelRunner"),
    )
    (installation.folder / "mine.csv").write_text(TABLE)
    assert done.returncode == 1
    error = done.stderr[done.stderr.index("Error: ") :]
    assert "mine.csv" in error
    assert len(error.splitlines()) < 5
    log = installation.folder / "logs" / "errors.log"
    assert "Traceback (most recent call last)" in log.read_text()


ENVIRONMENTS = sorted(
    path.name for path in (SOURCE / "conf").iterdir() if path.is_dir()
)


def test_every_environment_of_an_archive_is_found(installation):
    done = installation.run("--conf-source", ARCHIVE, "--env", "nothing")
    assert done.returncode == 1
    assert f"choose one of {', '.join(sorted([*ENVIRONMENTS, 'mine']))}" in done.stderr


def test_presets_of_an_archive_are_checked(installation):
    # The environment changes presets in files of its own.
    done = installation.run(
        *("--conf-source", ARCHIVE, "--env", "ml-1m", "--pipelines", "data"),
        *("--params", "preset=transformer-large,training.epoch=3"),
    )
    assert done.returncode == 1
    assert "--params gives training.epoch, which nothing reads" in done.stderr


def test_a_missing_configuration_is_told(installation):
    done = installation.run("--pipelines", "data")
    assert done.returncode == 1
    assert "conf is no configuration" in done.stderr
    assert "--conf-source" in done.stderr
