"""Every environment of conf/, and every preset on own data, to recommendations."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from tests.conftest import REAL_DATA
from tests.project import SOURCE, Project, environment
from tests.simulation.recipes import small_recipe
from two_tower.datasets.simulated_archive import SimulatedArchiveDataset
from two_tower.simulation.archive_writer import make_archive

ARCHIVES = sorted(
    file.parent.name
    for file in SOURCE.glob("conf/*/globals.yml")
    if yaml.safe_load(file.read_text()).get("format") == "movielens"
)
PRESETS = sorted(file.stem for file in SOURCE.glob("conf/base/parameters/presets/*"))
N_CUSTOMERS, K = 200, 10

# One process for all, since importing Keras takes longer than training on so few rows.
# It writes the number of users and of rows in the recommendations of each run.
ODD_FEATURES = [
    *["price (CHF)", "größe", "a/b", "a.b", "x" * 300, "{brace}", "[bracket]", "it's"],
    *[
        'quo"te',
        "9lives",
        "100 %",
        "mlp",
        "table",
        "a,b",
        "a=b",
        "\\back",
        "$1",
        "-",
        "*",
    ],
]
ODD_USERS = ["a,b", "{x}", "[u]", "100%", "u*", "ü 'q' \"d\"", "7", "007", "x" * 300]
ODD_ITEMS = ["i,1", "{i}", "[/b]", "i*?", 'i"q"', *map(str, range(20))]

RUN_ALL = """
import json, sys
from pathlib import Path
import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
tiny = {"epochs": 1, "dimension": 8, "jit_compile": False}
found = {}
for env, preset in json.loads(sys.argv[1]):
    params = {"preset": preset, "training": tiny}
    with KedroSession.create(env=env, runtime_params=params) as session:
        session.run()
    data = "data [x] 50%" if env == "odd" else "data"
    served = pd.read_parquet(f"{data}/07_model_output/{env}/recommendations")
    found[f"{env} {preset}"] = [served.user_id.nunique(), len(served)]
    if env == "odd":
        found["odd users"] = sorted(served.user_id.unique())
Path("found.json").write_text(json.dumps(found))
"""


def write_archive(path: Path) -> bool:
    """Write the archive that an environment reads; return whether it is at hand."""
    name = path.stem
    real, cut = REAL_DATA / f"{name}.zip", REAL_DATA / f"{name}-dev.zip"
    if real.is_file():
        shutil.copy(real, path)
    elif cut.is_file():
        keep_users(cut, path, b"200")
    elif not name.startswith("ml-"):
        members = make_archive(small_recipe(release="simulated"))
        SimulatedArchiveDataset(filepath=str(path)).save(members)
    return path.is_file()


def keep_users(real: Path, path: Path, last: bytes) -> None:
    """Copy an archive in the format of ml-1m, with the ratings up to one user's."""
    with ZipFile(real) as source, ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("ratings.dat"):
                content = content[: content.rindex(b"\n" + last + b"::") + 1]
            target.writestr(name, content)


def write_odd_names(project: Path) -> None:
    """Write an environment whose features, ids, titles and folder have odd names."""
    folder = project / "conf" / "odd" / "tables [1] {x} 100%"
    folder.mkdir(parents=True)
    columns = [f"c{n}" for n in range(len(ODD_FEATURES))]
    with (folder / "items.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["item", "title", *columns])
        for n, item in enumerate(ODD_ITEMS):
            rows.writerow([item, f"[b] {n} [/i]", *("abc"[n % 3] for _ in columns)])
    with (folder / "events.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "item", "time"])
        for u, user in enumerate(ODD_USERS):
            for n in range(12):
                item = ODD_ITEMS[(u + 2 * n) % len(ODD_ITEMS)]
                rows.writerow([user, item, 1_600_000_000 + 60 * n])
    kinds = {name: {"kind": "categorical"} for name in ODD_FEATURES}
    named = zip(ODD_FEATURES, columns, strict=True)
    kept = [{"name": name, "column": column, "type": "text"} for name, column in named]
    own = {
        "interactions": {"event_id": None, "user_id": "user", "item_id": "item"}
        | {"timestamp": "time", "rating": None},
        "items": {"item_id": "item", "title": "title"},
        "users": {"user_id": "user"},
    }
    ingestion = {
        "ids": {"user_id": "text", "item_id": "text"},
        "columns": own,
        "features": {"items": kept, "users": []},
    }
    table = {"type": "two_tower.datasets.csv_table.CSVTableDataset"} | {
        "connection": {"backend": "duckdb", "database": ":memory:"}
    }
    absent = "two_tower.datasets.absent_table.AbsentTableDataset"
    files = {
        "globals.yml": {"dataset": "odd", "data": "data [x] 50%"},
        "catalog.yml": {
            "raw_interactions": table | {"filepath": f"{folder}/events.csv"},
            "raw_items": table | {"filepath": f"{folder}/items.csv"},
            "raw_users": {"type": absent, "columns": {"user": "string"}},
        },
        "parameters.yml": {
            "ingestion": ingestion,
            "sequencing": {"features": {"item": kinds}},
        },
    }
    for name, content in files.items():
        text = yaml.safe_dump(content, allow_unicode=True)
        (project / "conf" / "odd" / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, list[int]]:
    """Return the numbers of users and of rows recommended, by environment and preset.

    Environments whose data are not at hand are absent.
    """
    project = Project.create(tmp_path_factory.mktemp("environments") / "project")
    raw = project.folder / "data" / "01_raw"
    raw.mkdir(parents=True)
    runs = [("own-data", preset) for preset in PRESETS]
    runs += [(env, "mean") for env in ARCHIVES if write_archive(raw / f"{env}.zip")]
    write_odd_names(project.folder)
    runs.append(("odd", "libreco-two-tower"))
    done = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", RUN_ALL, json.dumps(runs)],
        cwd=project.folder,
        env={**environment(), "PYTHONPATH": str(project.folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((project.folder / "found.json").read_text())


# Not every machine has the archives of MovieLens.
@pytest.mark.movielens
@pytest.mark.parametrize("env", ARCHIVES)
def test_an_environment_runs_from_its_archive_to_recommendations(found, env):
    if f"{env} mean" not in found:
        pytest.skip(f"the archive of {env} is not there")
    users, rows = found[f"{env} mean"]
    assert users > 0
    assert rows == K * users


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_runs_from_own_tables_to_recommendations(found, preset):
    assert found[f"own-data {preset}"] == [N_CUSTOMERS, K * N_CUSTOMERS]


def test_odd_names_of_features_ids_and_folders_reach_the_recommendations(found):
    assert found["odd users"] == sorted(ODD_USERS)
