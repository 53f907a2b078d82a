import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from tests.fitting.tiny import N_ITEMS, build_towers
from two_tower.atomic import current_version
from two_tower.datasets import query_tower as module
from two_tower.datasets.query_tower import QueryTowerDataset
from two_tower.towers.query_tower import QueryTower

IDS = [f"film {i}" for i in range(N_ITEMS - 2)]
HISTORIES = pa.array([["film 3", "film 0"], [], ["unheard of"]], pa.list_(pa.string()))


@pytest.fixture
def dataset(tmp_path):
    return QueryTowerDataset(filepath=str(tmp_path / "query_tower"))


@pytest.fixture(scope="module")
def tower():
    return QueryTower(build_towers(), pa.array(IDS), [2, 4], 8)


# covers: N7 L28
def test_a_tower_is_loaded_as_it_was_saved(dataset, tower):
    assert not dataset.exists()
    dataset.save(tower)
    assert dataset.exists()
    loaded = dataset.load()
    assert loaded.item_ids.to_pylist() == IDS
    assert (loaded.edges, loaded.slots) == ([2, 4], 8)
    found = loaded.encode(HISTORIES)
    np.testing.assert_array_equal(found, tower.encode(HISTORIES))


def test_a_second_save_takes_the_place_of_the_first(dataset, tower, tmp_path):
    dataset.save(tower)
    other = QueryTower(build_towers(n_items=12), pa.array(range(10)), [4], 8)
    dataset.save(other)
    assert dataset.load().item_ids.to_pylist() == list(range(10))
    assert len(list((tmp_path / "query_tower").glob("v-*"))) == 1


def test_a_save_that_fails_half_way_leaves_the_old_tower(dataset, tower, monkeypatch):
    dataset.save(tower)

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(module.pq, "write_table", fail)
    with pytest.raises(DatasetError, match="no space left"):
        dataset.save(QueryTower(build_towers(), pa.array(range(20)), [4], 8))
    monkeypatch.undo()
    assert dataset.load().item_ids.to_pylist() == IDS


# covers: X9
def test_ids_that_do_not_fit_the_model_are_refused(dataset, tower, tmp_path):
    dataset.save(tower)
    ids = current_version(tmp_path / "query_tower") / "item_ids.parquet"
    pq.write_table(pa.table({"item_id": IDS[:-1]}), ids)
    with pytest.raises(DatasetError, match=r"has 19 item ids for a model of 20 items"):
        dataset.load()


def test_a_load_before_any_save_says_what_to_run(dataset):
    with pytest.raises(DatasetError, match=r"no query tower at .*run the export"):
        dataset.load()


def test_it_says_where_it_lies(dataset, tmp_path):
    assert str(tmp_path / "query_tower") in str(dataset)
