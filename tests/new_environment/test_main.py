"""The generator's command line, and the files that it writes."""

import re

import pytest
import yaml

from two_tower.new_environment.__main__ import main

ROWS = "".join(f"{1 + i % 5},{1 + i % 4},{1600000000 + i}\n" for i in range(40))


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "conf" / "base").mkdir(parents=True)
    (tmp_path / "My Shop.csv").write_text("user,item,time\n" + ROWS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_an_environment_is_written_and_the_next_command_named(project, capsys):
    assert main(["My Shop.csv"]) == 0
    written = capsys.readouterr().out
    assert written.endswith("kedro run --env my-shop\n")
    folder = project / "conf" / "my-shop"
    assert read(folder / "globals.yml") == {"dataset": "my-shop"}
    ingestion = read(folder / "parameters" / "ingestion.yml")["ingestion"]
    assert ingestion == {
        "ids": {"user_id": "integer", "item_id": "integer"},
        "timestamps": "seconds",
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
        },
        "features": {"items": [], "users": []},
    }
    catalog = read(folder / "catalog" / "ingestion.yml")
    assert catalog["raw_interactions"]["filepath"] == "My Shop.csv"
    assert catalog["raw_items"]["columns"] == {"item": "string"}
    assert not list((project / "conf").glob(".*"))


def test_an_environment_is_not_overwritten(project, capsys):
    assert main(["My Shop.csv"]) == 0
    marked = project / "conf" / "my-shop" / "globals.yml"
    marked.write_text("dataset: mine\n")
    assert main(["My Shop.csv"]) == 1
    assert (
        "exists and is not overwritten; give another --name" in capsys.readouterr().err
    )
    assert marked.read_text() == "dataset: mine\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["My Shop.csv", "--name", "base"], "other than base and local"),
        (["My Shop.csv", "--name", "../x"], "lower-case letters"),
        (["absent.csv"], "absent.csv is missing"),
        (["a.csv", "b.csv"], 'put their pattern in quotes, .*: "\\*.csv"'),
        (["My Shop.csv", "--items", "x.csv"], "x.csv is missing"),
    ],
)
def test_mistakes_end_in_a_sentence_and_write_nothing(
    project, capsys, arguments, message
):
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
    assert [path.name for path in (project / "conf").iterdir()] == ["base"]


def test_another_folder_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["a.csv"]) == 1
    assert "run this command in the project's folder" in capsys.readouterr().err


def test_any_names_and_values_become_yaml(project):
    head = '"${user}: #1",Item,"ti""me","a: b"\n'
    rows = "".join(
        f'"u{i % 5}: #",{i % 4},2020-01-0{1 + i % 9},"x\n# y{i % 2}"\n'
        for i in range(40)
    )
    (project / "a.csv").write_text(head + rows)
    items = "Item,yes,no: 1\n" + "".join(
        f'{i},"y\n: {i % 2}",#{i % 2}\n' for i in range(4)
    )
    (project / "i.csv").write_text(items)
    assert main(["a.csv", "--items", "i.csv"]) == 0
    parameters = project / "conf" / "a" / "parameters"
    found = read(parameters / "ingestion.yml")["ingestion"]
    assert found["columns"]["interactions"]["user_id"] == r"\${user}: #1"
    assert found["columns"]["interactions"]["timestamp"] == 'ti"me'
    assert [f["column"] for f in found["features"]["items"]] == ["yes", "no: 1"]
    features = read(parameters / "sequencing.yml")["sequencing"]["features"]
    assert set(features["item"]) == {"yes", "no_1"}
