from ast import literal_eval
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from two_tower.pipelines.ingestion.params import Ingestion
from two_tower.pipelines.ingestion.pipeline import create_pipeline
from two_tower.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[3]
DATA = "<data>"  # in place of the folder, which differs from test to test


@cache
def read_configuration(env):
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)
    loader["globals"] = {**loader["globals"], "data": DATA}
    parameters = loader["parameters"]["ingestion"]
    catalog, names = loader["catalog"], dict(loader["globals"])
    # Not as JSON: YAML reads a validator's key `on` as True.
    return repr({"globals": names, "catalog": catalog, "parameters": parameters})


def configure(env, data):
    """Return an environment's configuration, with its data under the folder `data`."""
    return literal_eval(read_configuration(env).replace(DATA, str(data)))


@pytest.fixture
def data(tmp_path):
    (tmp_path / "01_raw").mkdir()
    return tmp_path


@pytest.fixture
def configuration(data, monkeypatch):
    monkeypatch.chdir(PROJECT)
    return partial(configure, data=data)


@pytest.fixture
def ingest(configuration):
    """Return a function that runs the pipeline and returns its catalog."""

    def run(env):
        configured = configuration(env)
        catalog = DataCatalog.from_config(configured["catalog"])
        parameters = Ingestion.model_validate(configured["parameters"])
        catalog["params:ingestion"] = parameters
        SequentialRunner().run(create_pipeline(), catalog)
        return catalog

    return run


@pytest.fixture
def read(data, configuration):
    """Return a function that loads text or a table as the example's catalog does."""
    config = configuration("own-data")

    def load(name, content):
        path = data / name
        if isinstance(content, str):
            path.write_text(content)
        else:
            pq.write_table(pa.table(content), path)
        entry = config["catalog"][
            "raw_interactions" if path.suffix == ".csv" else "raw_items"
        ]
        catalog = DataCatalog.from_config({name: entry | {"filepath": str(path)}})
        return catalog.load(name)

    return load


@pytest.fixture
def own(configuration):
    """Return a function that gives the example's parameters, with some changed."""
    parameters = configuration("own-data")["parameters"]

    def change(**changed):
        # Times of 1970 are easy to follow.
        years = {"years": {"first": 1970, "last": 2099}}
        return Ingestion.model_validate(parameters | years | changed)

    return change
