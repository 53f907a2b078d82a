"""`kedro run` from a simulated archive to recommendations, as a user runs it."""

import json
import re
import shutil

import pandas as pd
import pytest

from tests.project import Project
from two_tower.datasets.index_bundle import IndexBundleDataset
from two_tower.datasets.parquet_shards import ParquetShardsDataset
from two_tower.datasets.query_tower import QueryTowerDataset
from two_tower.serving.service import Request, RetrievalService
from two_tower.serving.stored_histories import StoredHistories

OUTPUTS = [
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


@pytest.mark.parametrize(("layer", "name"), OUTPUTS)
def test_a_run_saves_each_kind_of_output(finished_project, layer, name):
    assert finished_project.output(layer, name).exists()


def test_every_user_gets_unseen_items_by_falling_score(finished_project):
    served = table(finished_project, "07_model_output", "recommendations")
    seen = table(finished_project, "04_feature", "histories").set_index("user_id")
    assert set(served.user_id) == set(seen.index)
    for user, rows in served.groupby("user_id"):
        assert list(rows["rank"]) == list(range(1, len(rows) + 1))
        assert rows.score.is_monotonic_decreasing
        assert not set(rows.item_id) & set(seen.item_ids[user])


# covers: L30
def test_a_service_gives_a_stored_user_the_list_of_the_run(finished_project):
    def load(dataset, layer, name):
        return dataset(filepath=str(finished_project.output(layer, name))).load()

    service = RetrievalService(
        load(QueryTowerDataset, "06_models", "query_tower"),
        load(IndexBundleDataset, "06_models", "item_index"),
        StoredHistories.read(
            load(ParquetShardsDataset, "04_feature", "histories"),
            load(ParquetShardsDataset, "02_intermediate", "interactions"),
        ),
    )
    served = table(finished_project, "07_model_output", "recommendations")
    for user in served.user_id.unique()[:5].tolist():
        rows = served[served.user_id == user]
        answer = service.recommend(Request(user_id=user), len(rows))
        assert answer.source == "stored_history"
        assert [item.title for item in answer] == rows.title.tolist()
        assert [item.score for item in answer] == pytest.approx(rows.score, abs=1e-5)


def test_metrics_and_baselines_are_consistent(finished_project):
    metrics = json.loads(
        finished_project.output("08_reporting", "metrics.json").read_text()
    )
    metric_sets = [
        metrics["two_tower"]["exact"],
        metrics["two_tower"]["index"],
        metrics["baselines"]["popularity"],
        metrics["baselines"]["ease"],
    ]
    for one in metric_sets:
        assert 0 <= one["ndcg@10"] <= one["hr@10"] <= one["hr@50"] <= 1


def test_a_normal_run_writes_no_warning(project):
    written = project.run()
    assert "WARNING" not in written
    assert "cuda" not in written.lower()


# covers: A52 X6
def test_users_with_several_vectors_get_explained_recommendations(project):
    params = "preset=multi-interest,training.epochs=1,training.jit_compile=false"
    written = project.run("--params", params)
    assert "WARNING" not in written
    users = table(project, "07_model_output", "user_embeddings")
    assert set(users.groupby("user_id").vector_index.agg(tuple)) == {(0, 1, 2, 3)}
    served = table(project, "07_model_output", "recommendations")
    assert served.vector_index.nunique() > 1
    seen = table(project, "04_feature", "histories").set_index("user_id")
    assert served.similar_history_items.map(len).max() > 0
    for user, rows in served.groupby("user_id"):
        assert set(rows.similar_history_items.explode().dropna()) <= set(
            seen.item_ids[user]
        )
    report = project.output("08_reporting", "report.md").read_text()
    assert "Interests of sample users" in report


def test_equal_seeds_give_equal_results(finished_project, tmp_path):
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
    user = int(table(project, "04_feature", "histories").user_id[3])
    project.run(
        "--pipelines", "recommendation", "--params", f"recommendation.user_id={user}"
    )
    served = table(project, "07_model_output", "recommendations")
    assert set(served.user_id) == {user}


def test_outputs_of_different_data_are_not_mixed(project):
    project.run("--pipelines", "simulation", "--params", "simulation.seed=7")
    project.run("--pipelines", "ingestion,sequencing")
    message = project.refusal("--pipelines", "evaluation")
    assert "were made from different versions of raw_interactions" in message
    assert "run: kedro run --env test --from-inputs" in message


def test_an_output_without_lineage_record_is_refused(project):
    project.output("08_reporting", "lineage/item_index.json").unlink()
    message = project.refusal("--pipelines", "recommendation")
    assert "item_index has no lineage record" in message
    assert (
        "run: kedro run --env test --from-nodes model.indexing.build_item_index"
        in message
    )


def test_an_index_of_another_model_is_refused(project, tmp_path):
    folder = project.output("06_models", "item_index")
    shutil.copytree(folder, tmp_path / "first")
    params = ("--params", "training.seed=5,training.epochs=1")
    project.run("--pipelines", "training,export,indexing", *params)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "first", folder)
    for pipeline in ("recommendation", "evaluation"):
        message = project.refusal("--pipelines", pipeline, *params)
        assert (
            "item_index is not what model.indexing.build_item_index saved: its files "
            "were changed or replaced by hand; run: kedro run --env test" in message
        )
        assert "--from-nodes model.indexing.build_item_index" in message


def test_a_misspelt_parameter_is_refused_by_name(project):
    message = project.refusal("--params", "training.epoch=3")
    assert "training.epoch, which nothing reads" in message
    assert "did you mean training.epochs?" in message


def test_an_unknown_preset_is_refused_with_the_existing_ones(project):
    message = project.refusal("--params", "preset=max")
    assert "no preset 'max'; choose one of" in message
    assert {"mean", "transformer"} <= set(re.findall(r"[\w-]+", message))
