"""Sequencing of the user's own tables, from the example of conf/own-data."""

import json

from tests.project import Project


def test_the_example_becomes_model_inputs(tmp_path):
    project = Project.create(tmp_path / "project")
    done = project.kedro("run", "--env", "own-data", "--pipelines", "data")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = project.folder / "data" / "04_feature" / "own-data"
    schema = json.loads((folder / "feature_schema.json").read_text())
    assert set(schema["item"]) == {"author", "price", "title_words", "topics"}
    assert set(schema["user"]) == {"born", "country", "newsletters"}
    # All 120 books, also the four with fewer than five purchases.
    assert (schema["n_items"], schema["n_users"]) == (120 + 2, 200 + 2)
