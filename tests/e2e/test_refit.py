"""A refit: what is deployed is trained on everything, the metrics stay as they were."""

import pandas as pd
import pytest

from tests.e2e.test_growth import item_index, query_tower, report, table
from tests.project import Project
from two_tower.serving.service import require_pair

EVALUATED = ("metrics.json", "report.md", "split_report.json", "training_history.json")


@pytest.fixture(scope="module")
def refitted(finished_project, tmp_path_factory) -> Project:
    """A finished project after a refit from the evaluated model's weights."""
    project = finished_project.copy(tmp_path_factory.mktemp("refitted") / "project")
    project.run("--pipelines", "refit", "--params", "refit.start=warm")
    return project


def last_events(project) -> pd.DataFrame:
    """Return the newest interaction of each user: the test target."""
    split = table(project, "03_primary", "split_interactions")
    return split.sort_values("position").groupby("user_id").tail(1)


def test_the_newest_interactions_are_trained_on(finished_project, refitted):
    items = table(refitted, "04_feature", "refit_item_vocabulary").set_index("item_id")
    users = table(refitted, "04_feature", "refit_user_vocabulary").set_index("user_id")
    newest = last_events(refitted)
    wanted = set(
        zip(
            users.user[newest.user_id].tolist(),
            items.item[newest.item_id].tolist(),
            strict=True,
        )
    )

    def last_targets(project, name):
        windows = table(project, "05_model_input", name).sort_values(["user", "window"])
        last = windows.groupby("user").tail(1)
        return {(row.user, row.targets[-1]) for row in last.itertuples()}

    assert last_targets(refitted, "refit_sequences") == wanted
    assert last_targets(finished_project, "train_sequences").isdisjoint(wanted)
    n_kept = len(table(refitted, "03_primary", "kept_interactions"))
    assert items.n_train.sum() == users.n_train.sum() == n_kept


def test_the_metrics_stay_those_of_the_model_before(finished_project, refitted):
    for name in EVALUATED:
        before, after = (
            project.output("08_reporting", name).read_bytes()
            for project in (finished_project, refitted)
        )
        assert before == after
    headline = report(refitted, "metrics.json")["two_tower"]["exact"]["hr@10"]
    text = refitted.output("08_reporting", "refit_report.md").read_text()
    assert f"two-tower, exact {headline:.4f}" in text
    assert "so it has no metrics" in text


def test_what_is_deployed_says_that_it_was_refitted(finished_project, refitted):
    tower, index = query_tower(refitted), item_index(refitted)
    require_pair(tower, index)
    history = report(refitted, "training_history.json")
    (kept,) = (record["epoch"] for record in history if record["kept"])
    assert tower.origin["refit"] == {"start": "warm", "epochs": kept}
    assert tower.origin["rules"]["sequencing.split"]["kind"] == "none"
    assert "refit" not in query_tower(finished_project).origin
    assert (
        index.fingerprints["refit_model"]
        == (tower.origin["fingerprints"]["refit_model"])
    )
    n_users = table(refitted, "04_feature", "user_vocabulary").user_id.nunique()
    found = table(refitted, "07_model_output", "recommendations")
    assert found.user_id.nunique() == n_users


def test_a_warm_refit_starts_where_the_evaluated_model_ended(refitted):
    first = report(refitted, "training_history.json")
    again = report(refitted, "refit_history.json")
    assert again[0]["loss"] < (first[0]["loss"] + first[-1]["loss"]) / 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pipelines", "evaluation"], "--from-inputs query_tower"),
        (["--from-inputs", "query_tower"], "was refitted on all interactions"),
    ],
)
def test_a_refitted_tower_is_never_evaluated(options, message, refitted):
    assert message in refitted.refusal(*options, "--params", "refit.start=warm")
