"""What docs/configuration.md shows does what it says."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader

from two_tower.pipelines.training.params import Training
from two_tower.settings import CONFIG_LOADER_ARGS

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
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path / "conf"


def configure(conf: Path, env: str, **params: Any) -> OmegaConfigLoader:
    loader = OmegaConfigLoader(
        str(conf), env=env, runtime_params=params, **CONFIG_LOADER_ARGS
    )
    loader["globals"] = {**loader["globals"], "data": str(conf.parent / "data")}
    return loader


def test_the_preset_of_your_own_gives_valid_parameters(conf):
    (conf / "local").mkdir()
    loader = configure(conf, "local", preset="small")
    training = Training.model_validate(loader["parameters"]["training"])
    assert training.towers.transformer.n_blocks == 1
