"""The command in a message about a damaged dataset makes that dataset."""

from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog

from two_tower.datasets.checked import recovery
from two_tower.pipeline_registry import register_pipelines
from two_tower.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).parents[2] / "conf"
PIPELINES = register_pipelines()
OWN_COMMAND = {"SimulatedArchiveDataset", "QueryTowerDataset", "IndexBundleDataset"}
"""Types whose messages name a pipeline, since one alone makes such a dataset."""


@pytest.fixture(scope="module")
def entries():
    """Return each dataset that a pipeline makes, with the entry of the catalog."""
    loader = OmegaConfigLoader(str(CONF), env="test", **CONFIG_LOADER_ARGS)
    resolver = DataCatalog.from_config(loader["catalog"]).config_resolver
    names = {name for part in PIPELINES.values() for name in part.all_outputs()}
    return {name: resolver.resolve_pattern(name) for name in sorted(names)}


def test_the_recovery_command_makes_the_dataset(entries):
    made = PIPELINES["__default__"].all_outputs()
    for name, entry in entries.items():
        if entry["type"].rpartition(".")[2] in OWN_COMMAND:
            continue
        command = recovery(Path(entry["filepath"]), entry.get("metadata"))
        option, value = command.rpartition("kedro run ")[2].split()
        if option == "--to-outputs":
            assert (value, name in made) == (name, True)
        else:
            assert option == "--pipelines"
            assert name in PIPELINES[value].all_outputs()
