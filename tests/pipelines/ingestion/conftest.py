from functools import partial
from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from two_tower.pipelines.ingestion import create_pipeline
from two_tower.pipelines.ingestion.params import Ingestion
from two_tower.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path):
    (tmp_path / "01_raw").mkdir()
    return tmp_path


def configure(env, data):
    """Return an environment's configuration, with its data under the folder `data`."""
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)
    loader["globals"] = {**loader["globals"], "data": str(data)}
    return loader


@pytest.fixture
def configuration(data, monkeypatch):
    monkeypatch.chdir(PROJECT)
    return partial(configure, data=data)


@pytest.fixture(scope="session")
def own_data(tmp_path_factory):
    """Return the configuration of conf/own-data, for tests that write no outputs."""
    loader = configure("own-data", tmp_path_factory.mktemp("own-data"))
    return {
        "catalog": loader["catalog"],
        "parameters": loader["parameters"]["ingestion"],
    }


@pytest.fixture
def ingest(configuration):
    """Return a function that runs the pipeline and returns its catalog."""

    def run(env):
        loader = configuration(env)
        catalog = DataCatalog.from_config(loader["catalog"])
        parameters = loader["parameters"]["ingestion"]
        catalog["params:ingestion"] = Ingestion.model_validate(parameters)
        SequentialRunner().run(create_pipeline(), catalog)
        return catalog

    return run
