"""Retraining on new data, and new movies indexed without training."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.e2e.archives import (
    NEW_GENRE,
    NEW_USERS,
    RATED_MOVIE,
    add_movie,
    grow_archive,
    read_lines,
)
from tests.project import Project
from two_tower.datasets.index_bundle import IndexBundleDataset
from two_tower.datasets.query_tower import QueryTowerDataset
from two_tower.serving.service import require_pair

NEW_MOVIE = 9003


def archive(project: Project):
    return project.folder / "data/01_raw/test.zip"


def table(project: Project, layer: str, name: str) -> pd.DataFrame:
    return pd.read_parquet(project.output(layer, name))


def report(project: Project, name: str):
    return json.loads(project.output("08_reporting", name).read_text())


def query_tower(project: Project):
    path = project.output("06_models", "query_tower")
    return QueryTowerDataset(filepath=str(path)).load()


def item_index(project: Project):
    path = project.output("06_models", "item_index")
    return IndexBundleDataset(filepath=str(path)).load()


@pytest.fixture(scope="module")
def retrained(finished_project, tmp_path_factory) -> Project:
    """A finished project whose archive has grown, retrained for one epoch."""
    project = finished_project.copy(tmp_path_factory.mktemp("retrained") / "project")
    grow_archive(archive(project))
    # A low learning rate, so that loss and vectors stay near those of the first run.
    params = "training.epochs=1,training.optimizer.learning_rate=0.0001"
    project.run("--pipelines", "retrain", "--params", params)
    return project


@pytest.fixture(scope="module")
def with_new_movie(finished_project, tmp_path_factory) -> tuple[Project, int]:
    """A finished project with one new movie, and the movie that it copies."""
    project = finished_project.copy(tmp_path_factory.mktemp("added") / "project")
    vocabulary = table(project, "04_feature", "item_vocabulary")
    like = int(vocabulary.sort_values("n_train").item_id.iloc[-1])
    add_movie(archive(project), NEW_MOVIE, like=like)
    project.run("--pipelines", "add_items")
    return project, like


# covers: L28
@pytest.mark.parametrize("entity", ["item", "user"])
def test_existing_ids_keep_their_indices_and_new_ones_are_appended(
    entity, finished_project, retrained
):
    before, after = (
        table(project, "04_feature", f"{entity}_vocabulary").set_index(entity)
        for project in (finished_project, retrained)
    )
    existing = after.loc[before.index]
    assert existing[f"{entity}_id"].tolist() == before[f"{entity}_id"].tolist()
    new = {"item": [RATED_MOVIE], "user": NEW_USERS}[entity]
    assert set(new) <= set(after[f"{entity}_id"][len(before) :])


# covers: L28
def test_new_feature_values_are_appended_to_the_existing_ones(
    finished_project, retrained
):
    def ids(project):
        rows = table(project, "04_feature", "feature_vocabulary")
        return rows.set_index(["entity", "feature", "value"]).id

    before, after = ids(finished_project), ids(retrained)
    assert after[before.index].tolist() == before.tolist()
    assert ("item", "genres", NEW_GENRE) in after.index.difference(before.index)
    assert after["item", "genres", NEW_GENRE] > before["item", "genres"].max()


# covers: L28
def test_retraining_resumes_from_the_deployed_weights(finished_project, retrained):
    first = report(finished_project, "training_history.json")
    again = report(retrained, "training_history.json")
    # Training from scratch needs most of its epochs for this loss.
    assert again[0]["loss"] < (first[0]["loss"] + 9 * first[-1]["loss"]) / 10


# covers: L28
def test_retraining_keeps_the_vectors_of_existing_items_nearest_to_the_old_ones(
    finished_project, retrained
):
    before, after = (query_tower(project) for project in (finished_project, retrained))
    n_before, n_after = (
        tower.towers.item_tower.n_entities for tower in (before, after)
    )
    assert n_after > n_before
    existing = np.arange(2, n_before, dtype=np.int32)
    old, new = (tower.encode_items(existing) for tower in (before, after))
    cosines = (old @ new.T).astype(np.float64)
    # One epoch moves the vectors, but most stay nearest to their old ones.
    assert (cosines.argmax(axis=1) == np.arange(len(existing))).mean() > 0.9


# covers: L28
def test_retraining_gives_metrics_recommendations_and_a_matching_index(retrained):
    metrics = report(retrained, "metrics.json")
    assert 0 < metrics["two_tower"]["exact"]["hr@50"] <= 1
    served = table(retrained, "07_model_output", "recommendations")
    assert set(NEW_USERS) <= set(served.user_id)
    require_pair(query_tower(retrained), item_index(retrained))


def test_the_lineage_of_a_retrained_model_holds_the_deployed_one(retrained):
    record = json.loads(
        retrained.output("08_reporting", "lineage/two_tower_model.json").read_text()
    )
    assert record["made_by"] == "model.training.train_two_tower"
    assert "deployed_query_tower" in record["inputs"]


def test_retraining_before_any_training_is_refused_with_a_command(tmp_path):
    project = Project.create(tmp_path / "project")
    project.run("--pipelines", "simulation")
    message = project.refusal("--pipelines", "retrain")
    assert "there is no query tower in" in message
    assert "run: kedro run" in message


# covers: L28 X11
def test_a_new_movie_is_indexed_without_training(finished_project, with_new_movie):
    project, _ = with_new_movie
    embeddings = table(project, "07_model_output", "item_embeddings")
    before = table(finished_project, "07_model_output", "item_embeddings")
    assert embeddings.item_id.tolist()[: len(before)] == before.item_id.tolist()
    assert NEW_MOVIE in embeddings.item_id.tolist()[len(before) :]
    # A larger batch may be rounded differently.
    np.testing.assert_allclose(
        np.stack(embeddings.vector[: len(before)]), np.stack(before.vector), atol=1e-6
    )
    assert NEW_MOVIE in item_index(project).item_ids.to_pylist()
    require_pair(query_tower(project), item_index(project))
    model = "two_tower.keras"
    assert project.output("06_models", model).read_bytes() == (
        finished_project.output("06_models", model).read_bytes()
    )


# covers: X11
def test_a_new_movie_is_near_movies_of_equal_genres(with_new_movie):
    project, like = with_new_movie
    items = table(project, "07_model_output", "item_embeddings").set_index("item_id")
    vectors = np.stack(items.vector)
    cosines = pd.Series(vectors @ items.vector[NEW_MOVIE], items.index)
    genres_of = {
        int(movie): set(genres.split("|"))
        for movie, _, genres in (
            line.split("::") for line in read_lines(archive(project), "movies")
        )
    }
    similar = [
        movie
        for movie in items.index
        if movie != NEW_MOVIE and genres_of[movie] & genres_of[like]
    ]
    others = items.index.difference([*similar, NEW_MOVIE])
    assert cosines[similar].mean() > cosines[others].mean() + 0.05
    ranks = cosines.drop(NEW_MOVIE).rank(ascending=False)
    assert ranks[like] <= len(items) / 10


# covers: X11
def test_a_new_movie_is_recommended_without_training(with_new_movie):
    project, _ = with_new_movie
    written = project.run(
        "--pipelines",
        "recommendation",
        "--params",
        "recommendation.k=120,recommendation.user_id=5",
    )
    assert f" {NEW_MOVIE} " in written


def test_evaluation_with_old_examples_and_new_items_is_refused(with_new_movie):
    project, _ = with_new_movie
    message = project.refusal("--pipelines", "evaluation")
    assert "can't mix its inputs" in message


# covers: L30 X11
def test_a_user_outside_the_data_is_served_by_a_parameter(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "project")
    params = "recommendation.user_id=4242,recommendation.cold_start=popular"
    project.run("--pipelines", "recommendation", "--params", params)
    served = table(project, "07_model_output", "recommendations")
    assert set(served.user_id) == {4242}
    assert served["rank"].tolist() == list(range(1, 11))
