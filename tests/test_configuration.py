"""What docs/configuration.md shows does what it says."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner
from omegaconf import OmegaConf

from two_tower.pipelines.simulation.pipeline import create_pipeline
from two_tower.settings import CONFIG_LOADER_ARGS
from two_tower.simulation.recipe import Recipe
from two_tower.training.params import Training

PROJECT = Path(__file__).parents[1]
DOCUMENT = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
# A block of YAML whose first line is the name of the file that it belongs in.
FILE = re.compile(r"^```yaml\n# (conf/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def conf(tmp_path) -> Path:
    """A copy of the project's configuration with the document's files."""
    shutil.copytree(PROJECT / "conf" / "base", tmp_path / "conf" / "base")
    for name, text in FILE.findall(DOCUMENT):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "conf"


def configure(conf: Path, env: str, **params: Any) -> OmegaConfigLoader:
    loader = OmegaConfigLoader(
        str(conf), env=env, runtime_params=params, **CONFIG_LOADER_ARGS
    )
    loader["globals"] = {**loader["globals"], "data": str(conf.parent / "data")}
    return loader


def test_the_preset_of_your_own_gives_valid_parameters(conf):
    (conf / "plain").mkdir()
    loader = configure(conf, "plain", preset="small")
    training = Training.model_validate(loader["parameters"]["training"])
    assert training.history.transformer.n_blocks == 1


def training_of(conf: Path, env: str, **params: Any) -> Training:
    return Training.model_validate(
        configure(conf, env, **params)["parameters"]["training"]
    )


@pytest.mark.parametrize(
    ("preset", "epochs", "tokens_per_batch"),
    [("transformer", 12, 6400), ("small", 20, None), ("mean", None, None)],
)
def test_the_environment_of_your_own_changes_what_it_names(
    conf, preset, epochs, tokens_per_batch
):
    (conf / "plain").mkdir()
    plain = training_of(conf, "plain", preset=preset)
    found = training_of(conf, "my-data", preset=preset)
    assert found.epochs == (epochs or plain.epochs)
    assert found.batches.tokens_per_batch == (
        tokens_per_batch or plain.batches.tokens_per_batch
    )
    asked = training_of(conf, "my-data", preset=preset, training={"epochs": 3})
    assert asked.epochs == 3


def test_the_log_shows_brackets_as_they_are():
    logging = OmegaConf.load(PROJECT / "conf" / "logging.yml")
    assert logging.handlers.console.markup is False


CHANGES = sorted((PROJECT / "conf").glob("ml-*/parameters/presets/*.yml"))
ENVIRONMENTS = sorted({file.parents[2].name for file in CHANGES})


@pytest.mark.parametrize("file", CHANGES, ids=lambda file: str(file.parents[2].name))
def test_an_environment_changes_the_preset_of_the_files_name(file):
    assert list(OmegaConf.load(file)["_presets"]) == [file.stem]
    # Multi-interest keeps the values that it was tuned with, whatever the data.
    assert file.stem != "multi-interest"


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize(
    "preset", ["transformer", "transformer-large", "mean", "multi-interest"]
)
def test_each_environment_gives_valid_parameters(env, preset):
    def training_in(env: str) -> Training:
        loader = OmegaConfigLoader(
            str(PROJECT / "conf"),
            env=env,
            runtime_params={"preset": preset},
            **CONFIG_LOADER_ARGS,
        )
        return Training.model_validate(loader["parameters"]["training"])

    is_unchanged = training_in(env) == training_in("base")
    assert is_unchanged == (preset == "multi-interest")


def test_the_simulation_of_your_own_is_what_its_environment_reads(conf):
    loader = configure(conf, "simulated-20m")
    recipe = loader["parameters"]["simulation"]
    assert Recipe.model_validate(recipe).n_ratings == 20_000_000
    few = {"n_users": 100, "n_movies": 1_000, "n_ratings": 3_000}
    catalog = DataCatalog.from_config(loader["catalog"])
    catalog["params:simulation"] = Recipe.model_validate({**recipe, **few})
    SequentialRunner().run(create_pipeline(), catalog)
    assert catalog.load("raw_interactions").count().execute() == 3_000
    made = {path.name for path in (conf.parent / "data" / "01_raw").iterdir()}
    assert made == {"simulated-20m.zip", "simulated-20m_interests"}
