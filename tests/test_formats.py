"""Formats: what environments take from the base, add to it and switch off."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from omegaconf.errors import InterpolationResolutionError
from pydantic import ValidationError

from two_tower.features.registry import Features
from two_tower.pipelines.ingestion.params import Ingestion
from two_tower.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).parents[1] / "conf"


@pytest.fixture
def parameters_of(tmp_path):
    """Return a function that gives the parameters of a made-up environment."""
    shutil.copytree(CONF / "base", tmp_path / "base")

    def load(globals_: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "globals.yml").write_text(yaml.safe_dump(globals_))
        (tmp_path / "mine" / "parameters.yml").write_text(yaml.safe_dump(parameters))
        loader = OmegaConfigLoader(str(tmp_path), env="mine", **CONFIG_LOADER_ARGS)
        return loader["parameters"]

    return load


def test_movielens_has_its_columns_and_features(parameters_of):
    found = parameters_of({"format": "movielens"}, {})
    columns = Ingestion.model_validate(found["ingestion"]).columns
    assert columns.items.item_id == "movie_id"
    features = Features.model_validate(found["sequencing"]["features"])
    assert {"genres", "year", "genre_set"} <= features.of("item").keys()
    assert found["sequencing"]["selection"]["min_item_interactions"] == 5


def test_an_environment_adds_to_its_format_and_switches_off(parameters_of):
    item = {"genres": None, "decade": {"kind": "categorical", "column": "year"}}
    changes = {"features": {"item": item, "user": None}}
    found = parameters_of({"format": "movielens"}, {"sequencing": changes})
    features = Features.model_validate(found["sequencing"]["features"])
    assert {"year", "decade"} <= features.of("item").keys()
    assert "genres" not in features.of("item")
    assert features.of("user") == {}


def test_own_data_have_no_feature_that_they_do_not_declare(parameters_of):
    found = parameters_of({}, {"sequencing": {"features": {"item": {"genres": None}}}})
    features = Features.model_validate(found["sequencing"]["features"])
    assert features.of("item") == features.of("user") == {}
    assert found["ingestion"]["features"] == {"items": [], "users": []}
    assert found["sequencing"]["selection"]["min_item_interactions"] == 1


def test_an_environment_without_columns_is_told_what_to_declare(parameters_of):
    found = parameters_of({}, {})
    with pytest.raises(ValidationError, match="declares no columns") as raised:
        Ingestion.model_validate(found["ingestion"])
    for remedy in ("format: movielens", "conf/own-data", "two_tower.new_environment"):
        assert remedy in str(raised.value)


def test_an_unknown_format_is_refused_with_those_there_are(parameters_of):
    message = (
        "no format 'movieles'; set `format` in globals.yml to one of movielens, own"
    )
    with pytest.raises(InterpolationResolutionError, match=message):
        parameters_of({"format": "movieles"}, {})
