"""Order of parameters: common, preset, environment's changes, --params."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from omegaconf.errors import InterpolationResolutionError

from two_tower.presets import PresetHooks
from two_tower.settings import CONFIG_LOADER_ARGS

CHOSEN = "${runtime_params:preset,${globals:preset}}"
TRAINING = f"""
_training:
  epochs: 30
  tower: transformer
  towers: {{ mean: {{ units: [64, 32] }}, transformer: {{ blocks: 2, dropout: 0.2 }} }}
training: ${{preset:${{_training}},${{_presets}},{CHOSEN}}}
"""
CHANGES = f"training: ${{oc.select:_presets.{CHOSEN},{{}}}}"
FILES = {
    "base/globals.yml": "preset: transformer",
    "base/parameters/training.yml": TRAINING,
    "base/parameters/presets/transformer.yml": "_presets: { transformer: {} }",
    "base/parameters/presets/short-mean.yml": (
        "_presets: { short-mean: { tower: mean, epochs: 10 } }"
    ),
    "base/parameters/presets/deep.yml": "_presets: { deep: { epochs: 20 } }",
    "small/parameters.yml": "training: { towers: { transformer: { blocks: 1 } } }",
    "large/parameters/training.yml": CHANGES,
    "large/parameters/presets/transformer.yml": (
        "_presets:"
        " { transformer: { epochs: 50, towers: { transformer: { blocks: 3 } } } }"
    ),
    "large/parameters/presets/deep.yml": (
        "_presets: { deep: '${_presets.transformer}' }"
    ),
    "misspelt/parameters/training.yml": CHANGES,
    "misspelt/parameters/presets/transfromer.yml": (
        "_presets: { transfromer: { epochs: 50 } }"
    ),
    "simulated/.gitkeep": "",
}


@pytest.fixture
def conf(tmp_path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def loader(conf: Path, env: str | None = None, **params: Any) -> OmegaConfigLoader:
    return OmegaConfigLoader(
        str(conf), env=env, runtime_params=params, **CONFIG_LOADER_ARGS
    )


def training(conf: Path, env: str | None = None, **params: Any) -> dict[str, Any]:
    return loader(conf, env, **params)["parameters"]["training"]


def test_a_preset_changes_only_what_it_names(conf):
    expected = training(conf) | {"tower": "mean", "epochs": 10}
    assert training(conf, preset="short-mean") == expected


def test_an_environment_merges_softly_over_all_presets(conf):
    found = training(conf, "small", preset="short-mean")
    assert found["towers"]["transformer"] == {"blocks": 1, "dropout": 0.2}
    assert found["epochs"] == 10


def test_an_environments_file_changes_the_preset_of_its_name(conf):
    found = training(conf, "large")
    assert found["epochs"] == 50
    assert found["towers"]["transformer"] == {"blocks": 3, "dropout": 0.2}
    other = training(conf, "large", preset="short-mean")
    assert other == training(conf, preset="short-mean")


def test_a_file_can_repeat_the_changes_to_another_preset(conf):
    found = training(conf, "large", preset="deep")
    assert found == training(conf, "large")


@pytest.mark.parametrize("preset", ["transformer", "short-mean"])
def test_the_command_line_wins_over_the_changes_of_an_environment(conf, preset):
    found = training(conf, "large", preset=preset, training={"epochs": 3})
    assert found == training(conf, "large", preset=preset) | {"epochs": 3}


def test_the_command_line_wins_over_preset_and_environment(conf):
    asked = {"epochs": 3, "towers": {"transformer": {"blocks": 4}}}
    found = training(conf, "small", preset="short-mean", training=asked)
    assert found["epochs"] == 3
    assert found["towers"]["transformer"] == {"blocks": 4, "dropout": 0.2}


def test_an_unknown_preset_names_those_that_exist(conf):
    with pytest.raises(
        InterpolationResolutionError, match="'max'; choose one of deep, short-mean, tr"
    ):
        training(conf, preset="max")


def open_context(conf: Path, env: str | None) -> None:
    context = SimpleNamespace(config_loader=loader(conf, env), env=env)
    PresetHooks().after_context_created(context)


def test_changes_that_the_environment_does_not_read_are_refused(conf):
    (conf / "large" / "parameters" / "training.yml").unlink()
    with pytest.raises(ValueError, match=r"has no effect: .* copy conf/ml-1m/param"):
        open_context(conf, "large")


def test_changes_to_a_preset_that_does_not_exist_are_refused(conf):
    with pytest.raises(
        ValueError,
        match=r"transfromer\.yml changes preset 'transfromer', which does not exist; "
        "choose one of deep, short-mean, transformer, or add conf/base",
    ):
        open_context(conf, "misspelt")


@pytest.mark.parametrize("env", [None, "small", "large"])
def test_changes_to_presets_that_exist_are_accepted(conf, env):
    open_context(conf, env)


def test_the_default_preset_is_named_once(conf):
    (conf / "base/globals.yml").write_text("preset: short-mean")
    for env in (None, "large"):
        assert training(conf, env) == training(conf, env, preset="short-mean")


def test_loaders_of_one_process_do_not_share_presets(conf, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name, text in FILES.items():
        file = other / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("short-mean", "short"))
    first, second = loader(conf, preset="short-mean"), loader(other, preset="short")
    assert second["parameters"]["training"] == first["parameters"]["training"]
    with pytest.raises(InterpolationResolutionError, match="no preset 'short-mean'"):
        training(other, preset="short-mean")
