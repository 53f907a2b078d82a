"""Every parameter of the project refuses what it can't be, before anything runs."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project

from two_tower.parameter_names import find_declared
from two_tower.parameter_values import wrong_values
from two_tower.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[1]

# None of them is right anywhere, but for ids.
NUMBERS = (float("inf"), float("-inf"), float("nan"), 10**12, 10**20, -(10**12))
TEXTS = {
    # Names that only the data can refuse.
    "ingestion.separator",
    "ingestion.columns.interactions.event_id",
    "ingestion.columns.interactions.user_id",
    "ingestion.columns.interactions.item_id",
    "ingestion.columns.interactions.timestamp",
    "ingestion.columns.interactions.rating",
    "ingestion.columns.items.item_id",
    "ingestion.columns.items.title",
    "ingestion.columns.users.user_id",
    "sequencing.features.item.title_words.column",
    "sequencing.features.item.primary_genre.column",
    "sequencing.features.item.genre_set.column",
    "sequencing.features.user.zip_area.column",
    "evaluation.report.dataset",
    "recommendation.user_id",
}
IDS = {"recommendation.user_id"}  # a whole number of any size


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each parameter that is no group."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path


@pytest.fixture(scope="module")
def parameters() -> dict[str, Any]:
    loader = OmegaConfigLoader(str(PROJECT / "conf"), **CONFIG_LOADER_ARGS)
    merged = loader["parameters"]
    return {name: one for name, one in merged.items() if not name.startswith("_")}


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    bootstrap_project(PROJECT)
    stores = {"lineage", "training_checkpoints"}
    found = find_declared(pipelines.values())
    return {name: hint for name, hint in found.items() if name not in stores}


def changed(parameters: dict[str, Any], path: tuple[str, ...], value: Any) -> Any:
    copy = deepcopy(parameters)
    group = copy
    for name in path[:-1]:
        group = group[name]
    group[path[-1]] = value
    return copy


def test_the_parameters_as_they_are_are_accepted(parameters, declared):
    assert list(wrong_values(parameters, declared)) == []
    assert len(list(leaves(parameters))) > 250


@pytest.mark.parametrize("wrong", [*NUMBERS, "many", {"x": 1}, [{"x": 1}]], ids=str)
def test_a_value_that_no_parameter_may_have_is_refused_by_name(
    parameters, declared, wrong
):
    accepted = {int: IDS, str: TEXTS}.get(type(wrong), set())
    for path in leaves(parameters):
        messages = list(wrong_values(changed(parameters, path, wrong), declared))
        name = ".".join(path)
        if name in accepted:
            continue
        assert messages, f"{name} = {wrong!r} is accepted"
        group, _, option = name.rpartition(".")
        assert any(
            name in text or (text.startswith(group.split(".")[0]) and option in text)
            for text in messages
        ), messages


@pytest.mark.parametrize("wrong", [True, "5", "many"])
def test_a_number_is_no_text_and_no_truth(parameters, declared, wrong):
    def value(path: tuple[str, ...]) -> Any:
        found: Any = parameters
        for name in path:
            found = found[name]
        return found

    numbers = [
        path
        for path in leaves(parameters)
        if isinstance(value(path), int | float) and not isinstance(value(path), bool)
    ]
    assert len(numbers) > 150
    moments = {"sequencing.split.temporal.validation", "sequencing.split.temporal.test"}
    for path in numbers:
        if ".".join(path) in moments and isinstance(wrong, str):
            continue  # a date, as text
        messages = list(wrong_values(changed(parameters, path, wrong), declared))
        assert any(".".join(path) in text for text in messages), (path, messages)
