"""Own tables end to end by configuration alone, from files as publishers give them.

The generator writes each environment; nothing in it is edited.
"""

import json
import subprocess
import sys

import pandas as pd
import pytest

from tests.e2e.own_tables import FORMS, N_EVENTS, N_ITEMS, N_USERS
from tests.project import Project, environment

# One process for all, since importing Keras takes longer than training on so few rows.
RUN_ALL = """
import json, sys
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from two_tower.new_environment.__main__ import main
bootstrap_project(Path.cwd())
tiny = {"preset": "mean", "training": {"epochs": 1, "dimension": 8}}
for name, words in json.loads(sys.argv[1]).items():
    assert main([*words, "--name", name]) == 0
    with KedroSession.create(env=name, runtime_params=tiny) as session:
        session.run()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Return a project that has run on each form of tables."""
    project = Project.create(tmp_path_factory.mktemp("own") / "project")
    raw = project.folder / "data" / "01_raw"
    raw.mkdir(parents=True)
    # Paths of the project, as a user types them.
    words = {
        name: [word.replace(f"{project.folder}/", "") for word in write(raw)]
        for name, write in FORMS.items()
    }
    done = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", RUN_ALL, json.dumps(words)],
        cwd=project.folder,
        env={**environment(), "PYTHONPATH": str(project.folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def table(project):
    def table(name: str, layer: str, dataset: str) -> pd.DataFrame:
        return pd.read_parquet(project.folder / "data" / layer / name / dataset)

    return table


@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_recommended_from(project, table, name):
    recommended = table(name, "07_model_output", "recommendations")
    assert recommended.user_id.nunique() == N_USERS
    seen = table(name, "04_feature", "histories").set_index("user_id").item_ids
    for user, rows in recommended.groupby("user_id"):
        assert not set(rows.item_id) & set(seen[user])
    report = project.folder / "data" / "08_reporting" / name / "report.md"
    assert "| two-tower, exact |" in report.read_text()


def test_purchases_have_names_as_ids_and_dates(table):
    rows = table("purchases", "02_intermediate", "interactions")
    assert len(rows) == N_EVENTS
    assert {"Zoë A", "Anna J"} <= set(rows.user_id)
    assert "Tea no. 3; loose" in set(rows.item_id)
    # 1 March 2021, read as a day and not as 3 January.
    assert rows.timestamp.min() == 1614556800
    assert (rows.timestamp % 86400 == 0).all()


def test_clicks_of_all_files_keep_seconds(table):
    rows = table("clicks", "02_intermediate", "interactions")
    assert len(rows) == N_EVENTS
    assert rows.item_id.between(214_536_500, 214_536_519).all()
    assert rows.timestamp.is_monotonic_increasing
    assert rows.timestamp.nunique() == N_EVENTS


@pytest.mark.parametrize("name", ["item-lists", "pairs", "ratings"])
def test_interactions_without_times_say_so(project, table, name):
    rows = table(name, "02_intermediate", "interactions")
    assert rows.timestamp.isna().all()
    report = project.folder / "data" / "08_reporting" / name / "report.md"
    assert "no times" in report.read_text()


def test_items_of_a_line_keep_their_order(project, table):
    first = (project.folder / "data/01_raw/train.txt").read_text().splitlines()[3]
    user, *items = map(int, first.split())
    rows = table("item-lists", "02_intermediate", "interactions")
    assert rows[rows.user_id == user].sort_values("event_id").item_id.tolist() == items


def test_json_lines_give_prices_and_lists(table):
    items = table("reviews", "02_intermediate", "items").set_index("item_id")
    assert len(items) == N_ITEMS
    assert items.price["0000000007"] == pytest.approx(11.07)
    assert pd.isna(items.price["0000000006"])
    assert list(items.categories["0000000001"]) == ["Grocery", "Tea", "Loose"]
    rows = table("reviews", "02_intermediate", "interactions")
    assert set(rows.rating) <= {1, 2, 3, 4, 5}


def test_ratings_keep_accents_quotes_and_missing_ages(table):
    items = table("ratings", "02_intermediate", "items").set_index("item_id")
    assert items.title["000000004X"] == 'The "Clock" of Zürich; part 4'
    assert items.book_author["000000004X"] == "Müller 0"
    users = table("ratings", "02_intermediate", "users").set_index("user_id")
    assert users.age[276700] == 34
    assert pd.isna(users.age[276701])
