"""`kedro run` from a simulated archive to recommendations, as a user runs it."""

import json
import re

import pandas as pd
import pytest

from tests.project import Project

ENTIRE = [
    ("05_model_input", "train_sequences"),
    ("06_models", "item_index"),
    ("07_model_output", "item_embeddings"),
    ("07_model_output", "recommendations"),
    ("08_reporting", "learning_curves.json"),
    ("08_reporting", "metrics.json"),
]


@pytest.fixture
def project(finished_project, tmp_path) -> Project:
    """Return a finished project that a test may change."""
    return finished_project.copy(tmp_path / "project")


def table(project: Project, layer: str, name: str) -> pd.DataFrame:
    return pd.read_parquet(project.output(layer, name))


def lineage(project: Project, name: str) -> dict:
    return json.loads(
        project.output("08_reporting", f"lineage/{name}.json").read_text()
    )


@pytest.mark.parametrize(("layer", "name"), ENTIRE)
def test_a_run_leaves_each_kind_of_output(finished_project, layer, name):
    assert finished_project.output(layer, name).exists()


def test_every_user_gets_unseen_items_best_first(finished_project):
    served = table(finished_project, "07_model_output", "recommendations")
    seen = table(finished_project, "03_primary", "histories").set_index("user_id")
    assert set(served.user_id) == set(seen.index)
    for user, rows in served.groupby("user_id"):
        assert list(rows["rank"]) == list(range(1, len(rows) + 1))
        assert rows.score.is_monotonic_decreasing
        assert not set(rows.item_id) & set(seen.item_ids[user])


def test_the_figures_stand_beside_their_baselines(finished_project):
    metrics = json.loads(
        finished_project.output("08_reporting", "metrics.json").read_text()
    )
    figures = [
        metrics["two_tower"]["exact"],
        metrics["two_tower"]["index"],
        metrics["baselines"]["popularity"],
        metrics["baselines"]["ease"],
    ]
    for found in figures:
        assert 0 <= found["ndcg@10"] <= found["hr@10"] <= found["hr@50"] <= 1


def test_a_normal_run_warns_of_nothing(project):
    written = project.run()
    assert "WARNING" not in written
    assert "cuda" not in written.lower()


# covers: A52 X6
def test_users_of_several_vectors_are_served_and_explained(project):
    asked = "preset=multi-interest,training.epochs=1,training.jit_compile=false"
    written = project.run("--params", asked)
    assert "WARNING" not in written
    users = table(project, "07_model_output", "user_embeddings")
    assert set(users.groupby("user_id").vector_index.agg(tuple)) == {(0, 1, 2, 3)}
    served = table(project, "07_model_output", "recommendations")
    assert served.vector_index.nunique() > 1
    seen = table(project, "03_primary", "histories").set_index("user_id")
    assert served.because.map(len).max() > 0
    for user, rows in served.groupby("user_id"):
        assert set(rows.because.explode().dropna()) <= set(seen.item_ids[user])
    report = project.output("08_reporting", "report.md").read_text()
    assert "Interests of sample users" in report


def test_the_same_seed_gives_the_same_result(finished_project, tmp_path):
    again = Project.create(tmp_path / "again")
    again.run("--pipelines", "simulation")
    again.run()
    for name in ("item_embeddings", "user_embeddings", "recommendations"):
        pd.testing.assert_frame_equal(
            table(again, "07_model_output", name),
            table(finished_project, "07_model_output", name),
        )
        assert (
            lineage(again, name)["fingerprint"]
            == (lineage(finished_project, name)["fingerprint"])
        )


def test_one_user_is_served_by_a_parameter(project):
    user = int(table(project, "03_primary", "histories").user_id[3])
    project.run(
        "--pipelines", "recommendation", "--params", f"recommendation.user_id={user}"
    )
    served = table(project, "07_model_output", "recommendations")
    assert set(served.user_id) == {user}


def test_outputs_of_other_data_are_not_mixed(project):
    project.run("--pipelines", "simulation", "--params", "simulation.seed=7")
    project.run("--pipelines", "ingestion,sequencing")
    said = project.refusal("--pipelines", "evaluation")
    assert "were made from different versions of raw_interactions" in said
    assert "run: kedro run --env test --from-inputs" in said


def test_an_unfinished_output_is_not_used(project):
    project.output("08_reporting", "lineage/item_index.json").unlink()
    said = project.refusal("--pipelines", "recommendation")
    assert "item_index has no lineage record" in said
    assert "run: kedro run --env test --from-nodes indexing.build_item_index" in said


def test_a_misspelt_parameter_is_refused_by_name(project):
    said = project.refusal("--params", "training.epoch=3")
    assert "training" in said
    assert "epoch" in said
    assert "Extra inputs are not permitted" in said


def test_an_unknown_preset_names_those_that_exist(project):
    said = project.refusal("--params", "preset=max")
    assert "no preset 'max'; choose one of" in said
    assert {"mean", "transformer"} <= set(re.findall(r"[\w-]+", said))
