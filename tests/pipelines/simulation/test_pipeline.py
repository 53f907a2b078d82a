from pathlib import Path
from zipfile import ZipFile

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from tests.simulation.recipes import project_values, small_recipe
from two_tower.datasets.parquet_shards import ParquetShardsDataset
from two_tower.datasets.simulated_archive import SimulatedArchiveDataset
from two_tower.pipelines.simulation.nodes import simulate_archive
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


def test_the_ground_truth_has_a_row_per_rating(run):
    catalog, _ = run("one")
    assert catalog.load("simulated_interests").count().execute() == 9_000


def test_the_committed_archive_equals_the_one_the_parameters_make():
    made = simulate_archive(Recipe.model_validate(project_values()))
    with ZipFile(COMMITTED) as archive:
        assert archive.namelist() == [member.name for member in made]
        for member in made:
            assert archive.read(member.name) == b"".join(member.chunks())


def test_the_committed_archive_stays_small():
    assert COMMITTED.stat().st_size < 2 * 10**6
