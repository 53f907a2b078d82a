from pathlib import Path
from zipfile import ZipFile

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from tests.simulation.recipes import project_values, small_recipe
from two_tower.datasets.parquet_shards import ParquetShardsDataset
from two_tower.datasets.simulated_archive import SimulatedArchiveDataset
from two_tower.pipeline_registry import register_pipelines
from two_tower.pipelines.simulation.nodes import build_archive
from two_tower.pipelines.simulation.pipeline import create_pipeline
from two_tower.simulation.recipe import Recipe

COMMITTED = Path(__file__).parents[3] / "data/01_raw/simulated.zip"


@pytest.fixture
def run(tmp_path):
    def _run(name, **changes):
        folder = tmp_path / name
        catalog = DataCatalog(
            {
                "params:simulation": MemoryDataset(small_recipe(**changes)),
                "simulated_archive": SimulatedArchiveDataset(
                    filepath=str(folder / "simulated.zip")
                ),
                "simulated_interests": ParquetShardsDataset(
                    filepath=str(folder / "interests")
                ),
            }
        )
        SequentialRunner().run(create_pipeline(), catalog)
        return catalog, (folder / "simulated.zip").read_bytes()

    return _run


def test_equal_recipes_give_equal_bytes(run):
    _, first = run("first")
    _, second = run("second")
    _, other = run("other", seed=4)
    assert first == second
    assert first != other


@pytest.mark.parametrize("reader", ["ingestion", "data", "__default__"])
def test_the_archive_is_written_before_ingestion_reads_it(reader):
    pipelines = register_pipelines()
    nodes = (pipelines["simulation"] + pipelines[reader]).nodes
    assert nodes[0].name == "build_archive"


def test_the_ground_truth_has_a_row_per_rating(run):
    catalog, _ = run("one")
    assert catalog.load("simulated_interests").count().execute() == 9_000


def test_the_committed_archive_equals_the_one_the_parameters_make():
    made = build_archive(Recipe.model_validate(project_values()))
    with ZipFile(COMMITTED) as archive:
        assert archive.namelist() == [member.name for member in made]
        for member in made:
            assert archive.read(member.name) == b"".join(member.chunks())


def test_the_committed_archive_stays_small():
    assert COMMITTED.stat().st_size < 2 * 10**6
