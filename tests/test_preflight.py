"""Refusals that need no data come before the first node."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline

from two_tower import preflight
from two_tower.preflight import PreflightHooks

PROJECT = Path(__file__).parents[1]
PRESETS = sorted(
    path.stem for path in (PROJECT / "conf/base/parameters/presets").iterdir()
)

bootstrap_project(PROJECT)


def check(
    pipeline: str | Pipeline = "__default__", env: str = "own-data", **params: Any
) -> None:
    """Run the hook as `kedro run` does, with parameters of the command line."""
    chosen = pipelines[pipeline] if isinstance(pipeline, str) else pipeline
    with KedroSession.create(
        PROJECT, save_on_close=False, env=env, runtime_params=params
    ) as session:
        catalog = session.load_context().catalog
        PreflightHooks().before_pipeline_run(pipeline=chosen, catalog=catalog)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_may_run_on_the_users_own_data(preset):
    check(preset=preset)
    check(preset=preset, sequencing={"features": {"item": None, "user": None}})


@pytest.mark.parametrize("pipeline", ["retrain", "training"])
def test_parts_of_a_run_are_checked_like_the_whole(pipeline):
    check(pipeline, preset="multi-interest")


def test_what_a_preset_would_like_and_the_data_lack_is_one_line_of_the_log(caplog):
    caplog.set_level("INFO", "two_tower")
    check(preset="multi-interest")
    lines = [one for one in caplog.messages if "leave out" in one]
    assert lines == [
        "the options of training leave out genre_set, genres, primary_genre: "
        "sequencing.features does not declare them"
    ]
    caplog.clear()
    check(preset="multi-interest", env="simulated")
    assert not caplog.messages


def test_all_columns_that_features_lack_are_named_at_once():
    item = {
        "colour": {"kind": "categorical"},
        "genres": None,  # off, though the format declares no such feature
        "topics": {"kind": "dense"},
    }
    user = {"gender": {"kind": "categorical"}}
    with pytest.raises(ValueError, match="needs the column") as raised:
        check("data", sequencing={"features": {"item": item, "user": user}})
    for part in (
        "item.colour needs the column 'colour'",
        "item.topics is 'dense' and needs a number",
        "The items have author, item_id, price, title, topics",
        "user.gender needs the column 'gender'",
        "The users have born, country, newsletters, user_id",
    ):
        assert part in str(raised.value)


def test_a_feature_of_titles_needs_titles():
    untitled = {"columns": {"items": {"title": None}}}
    with pytest.raises(ValueError, match="title_words needs the column 'title'"):
        check(ingestion=untitled)


COLOUR = {"colour": {"kind": "categorical", "opt_in": True}}


def test_an_opt_in_feature_that_no_tower_reads_needs_no_column():
    check(sequencing={"features": {"item": COLOUR}})


def test_an_opt_in_feature_that_a_tower_reads_needs_its_column():
    tower = {"item_tower": {"features": {"colour": True}}}
    with pytest.raises(ValueError, match="colour needs the column 'colour'"):
        check(sequencing={"features": {"item": COLOUR}}, training=tower)
    optional = tower | {"optional_features": ["colour"]}
    check(sequencing={"features": {"item": COLOUR}}, training=optional)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "an undeclared feature": (
        "training",
        {"training": {"item_tower": {"features": {"colour": True}}}},
        "item_tower.features names 'colour'",
    ),
    "positives that are negatives": (
        "sequencing",
        {"sequencing": {"explicit_negatives": {"max_rating": 2}}},
        "must be below",
    ),
    "low ratings that nobody collects": (
        "__default__",
        {"training": {"negatives": {"kind": "low_rated"}}},
        "'low_rated', but sequencing.explicit_negatives.max_rating is null",
    ),
    "a split by times that there are not": (
        "data",
        {
            "ingestion": {"columns": {"interactions": {"timestamp": None}}},
            "sequencing": {"split": {"kind": "temporal"}},
        },
        "temporal, which needs times, but the data have none",
    ),
    "a rating that there is not": (
        "data",
        {
            "ingestion": {"columns": {"interactions": {"rating": None}}},
            "sequencing": {"selection": {"min_rating": 4}},
        },
        "min_rating is 4.0, but the interactions have no ratings",
    ),
    "a headline that is not computed": (
        "evaluation",
        {"evaluation": {"report": {"headline": 7}}},
        "headline is 7, which is not one of",
    ),
}


@pytest.mark.parametrize(
    ("pipeline", "params", "message"), REFUSED.values(), ids=REFUSED
)
def test_what_parameters_alone_can_tell_is_refused(pipeline, params, message):
    with pytest.raises(ValueError, match=message):
        check(pipeline, **params)
    check("simulation", **params)  # reads none of them


def test_an_unknown_engine_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no engine 'dukcdb'; choose one of duck"):
        check(engine="dukcdb")


def test_a_back_end_of_keras_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr(preflight, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match="'tensorflow', which is not installed; run: "):
        check("model")
    check("data")


@pytest.fixture
def answer(monkeypatch) -> Callable[[int], None]:
    """Return a function that says whether a process finds a GPU, by its exit code."""
    message = "ValueError: training.device is 'gpu' but tensorflow sees no GPU."

    def set_answer(code: int) -> None:
        done = SimpleNamespace(returncode=code, stderr=f"Traceback:\n{message}\n")
        run = lambda command, **_: done if command[0] == sys.executable else None  # noqa: E731
        monkeypatch.setattr(preflight.subprocess, "run", run)

    return set_answer


def test_a_gpu_that_is_not_there_is_refused(answer):
    gpu = {"training": {"device": "gpu"}}
    answer(1)
    with pytest.raises(ValueError, match=r"^training\.device is 'gpu' but tensorflow"):
        check("training", **gpu)
    check("evaluation", **gpu)
    answer(0)
    check("training", **gpu)
