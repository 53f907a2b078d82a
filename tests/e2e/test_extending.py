"""The examples of docs/extending.md, applied to a copy of the project and run."""

import json
import re

import pyarrow.parquet as pq
import pytest

from tests.project import SOURCE, Project

PAGE = (SOURCE / "docs/extending.md").read_text("utf-8")
BLOCK = re.compile(r"^```(python|diff)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE)
MOST_LINES = 100


def apply_diff(text: str, diff: str) -> str:
    """Return a file's text after a diff whose context lines stand in it."""
    done, rest = [], text.splitlines()
    for line in diff.splitlines():
        if line.startswith("+"):
            done.append(line[1:])
            continue
        at = rest.index(line[1:])
        done += rest[:at] if line.startswith("-") else rest[: at + 1]
        rest = rest[at + 1 :]
    return "\n".join([*done, *rest]) + "\n"


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Project:
    """A project with all examples, run from end to end."""
    project = Project.create(tmp_path_factory.mktemp("extended") / "project")
    for kind, name, content in BLOCKS:
        file = project.folder / name
        assert file.exists() == (kind == "diff"), name
        file.write_text(
            apply_diff(file.read_text(), content) if kind == "diff" else content
        )
    project.run("--pipelines", "simulation")
    kinds = {
        "training.history.kind": "gru",
        "training.objective.kind": "bpr",
        "training.negatives.kind": "rolled",
        "indexing.index.kind": "pivots",
    }
    project.run("--params", ",".join(f"{name}={kind}" for name, kind in kinds.items()))
    return project


# covers: X40
@pytest.mark.parametrize(
    ("name", "lines"),
    [(name, content) for kind, name, content in BLOCKS if kind == "python"],
)
def test_a_part_is_a_short_file(name, lines):
    assert len(lines.splitlines()) < MOST_LINES


# covers: X40
def test_a_part_changes_one_line_of_a_registry_and_one_of_yaml():
    for kind, name, content in BLOCKS:
        if kind == "diff":
            added = [line for line in content.splitlines() if line.startswith("+")]
            imports = [line for line in added if line.startswith("+from ")]
            assert len(added) - len(imports) == 1, name
            assert len(imports) == name.endswith(".py"), name


# covers: X40
def test_the_new_encoder_learns_by_the_new_objective_and_negatives(extended):
    history = json.loads(
        extended.output("08_reporting", "training_history.json").read_text()
    )
    losses = [epoch["loss"] for epoch in history]
    assert losses[-1] < losses[0]


# covers: X40
def test_the_new_index_is_searched_and_meets_its_recall(extended):
    report = json.loads(
        extended.output("08_reporting", "index_report.json").read_text()
    )
    assert report["backend"] == "pivots"


# covers: X40
def test_the_new_feature_is_encoded(extended):
    table = pq.read_table(extended.output("04_feature", "item_features"))
    assert 2 < len(table["decade"].unique()) < len(table["year"].unique())
