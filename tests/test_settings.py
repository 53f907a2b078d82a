"""How parameters come together: common values, a preset, an environment, --params."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf.errors import InterpolationResolutionError

from two_tower.settings import CONFIG_LOADER_ARGS, ConfigLoader

TRAINING = """
_training:
  epochs: 30
  tower: transformer
  towers: { mean: { units: [64, 32] }, transformer: { blocks: 2, dropout: 0.2 } }
training: ${preset:${_training},${_presets},${runtime_params:preset,${globals:preset}}}
"""
FILES = {
    "base/globals.yml": "preset: transformer",
    "base/parameters/training.yml": TRAINING,
    "base/parameters/presets/transformer.yml": "_presets: { transformer: {} }",
    "base/parameters/presets/short-mean.yml": (
        "_presets: { short-mean: { tower: mean, epochs: 10 } }"
    ),
    "small/parameters.yml": "training: { towers: { transformer: { blocks: 1 } } }",
    "large/parameters.yml": """
_changes:
  transformer: &history { epochs: 50, towers: { transformer: { blocks: 3 } } }
  short-mean: {}
training: ${by_preset:${_changes},${runtime_params:preset,${globals:preset}}}
""",
    "misspelt/parameters.yml": """
_changes: { transfromer: { epochs: 50 } }
training: ${by_preset:${_changes},${runtime_params:preset,${globals:preset}}}
""",
    "local/.gitkeep": "",
}


@pytest.fixture
def conf(tmp_path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def training(conf: Path, env: str | None = None, **params: Any) -> dict[str, Any]:
    loader = ConfigLoader(
        str(conf), env=env, runtime_params=params, **CONFIG_LOADER_ARGS
    )
    return loader["parameters"]["training"]


def test_a_preset_changes_only_what_it_names(conf):
    expected = training(conf) | {"tower": "mean", "epochs": 10}
    assert training(conf, preset="short-mean") == expected


def test_an_environment_merges_softly_over_the_preset(conf):
    found = training(conf, "small", preset="short-mean")
    assert found["towers"]["transformer"] == {"blocks": 1, "dropout": 0.2}
    assert found["epochs"] == 10


def test_an_environment_may_change_a_preset_and_no_other(conf):
    found = training(conf, "large")
    assert found["epochs"] == 50
    assert found["towers"]["transformer"] == {"blocks": 3, "dropout": 0.2}
    other = training(conf, "large", preset="short-mean")
    assert other == training(conf, preset="short-mean")


@pytest.mark.parametrize("preset", ["transformer", "short-mean"])
def test_the_command_line_wins_over_what_an_environment_changes(conf, preset):
    found = training(conf, "large", preset=preset, training={"epochs": 3})
    assert found == training(conf, "large", preset=preset) | {"epochs": 3}


def test_the_command_line_wins_over_preset_and_environment(conf):
    asked = {"epochs": 3, "towers": {"transformer": {"blocks": 4}}}
    found = training(conf, "small", preset="short-mean", training=asked)
    assert found["epochs"] == 3
    assert found["towers"]["transformer"] == {"blocks": 4, "dropout": 0.2}


def test_an_unknown_preset_names_those_that_exist(conf):
    with pytest.raises(
        InterpolationResolutionError, match="'max'; choose one of short-mean, transf"
    ):
        training(conf, preset="max")


@pytest.mark.parametrize("preset", ["transformer", "short-mean"])
def test_changes_of_a_preset_that_there_is_not_are_refused(conf, preset):
    with pytest.raises(
        InterpolationResolutionError,
        match="preset 'transfromer', which there is not; name one of short-mean, tr",
    ):
        training(conf, "misspelt", preset=preset)


def test_the_default_preset_has_its_name_in_one_place(conf):
    (conf / "base/globals.yml").write_text("preset: short-mean")
    for env in (None, "large"):
        assert training(conf, env) == training(conf, env, preset="short-mean")
