import json
import zipfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from kedro.io import DatasetError

from tests.serving.build import (
    ITEM_IDS,
    ORIGIN,
    SCHEMA,
    make_query_tower,
    shared_tower,
)
from two_tower.atomic import current_version
from two_tower.datasets import query_tower as module
from two_tower.datasets.deployed_vocabularies import DeployedVocabulariesDataset
from two_tower.datasets.query_tower import QueryTowerDataset

HISTORIES = pa.array([["c", "a"], [], ["unheard of"]], pa.list_(pa.string()))


@pytest.fixture
def dataset(tmp_path):
    return QueryTowerDataset(filepath=str(tmp_path / "query_tower"))


# covers: N7 L28
@pytest.mark.parametrize(
    "options", [{}, {"normalise": False}, {"separate": True}], ids=str
)
def test_a_tower_is_loaded_as_it_was_saved(dataset, options):
    tower = make_query_tower(**options)
    assert not dataset.exists()
    dataset.save(tower)
    assert dataset.exists()
    loaded = dataset.load()
    assert loaded.vocabularies.items == tower.vocabularies.items
    assert loaded.vocabularies.declared == tower.vocabularies.declared
    assert (loaded.bucket_boundaries, loaded.tokens_per_batch) == ([2, 4, 8], 16)
    assert loaded.origin == tower.origin
    for name in ("average", "learned"):
        found, expected = (t.cold_start_query(name) for t in (loaded, tower))
        np.testing.assert_array_equal(found, expected)
    request = (HISTORIES, [10, 99, None], pa.table({"age": [20, 30, 40]}))
    np.testing.assert_array_equal(loaded.encode(*request), tower.encode(*request))
    items = np.arange(2, 8, dtype=np.int32)
    np.testing.assert_array_equal(loaded.encode_items(items), tower.encode_items(items))


# covers: L30
def test_only_what_inference_needs_is_saved(dataset, tmp_path):
    dataset.save(shared_tower())
    model = current_version(tmp_path / "query_tower") / "towers.keras"
    with zipfile.ZipFile(model) as archive:
        config = json.loads(archive.read("config.json"))
    assert not config["compile_config"]  # nor an optimiser, with two numbers a weight


def test_a_second_save_replaces_the_first(dataset, tmp_path):
    dataset.save(shared_tower())
    before = dataset.fingerprint()
    other = make_query_tower(seed=5)
    dataset.save(other)
    found = dataset.load().encode(HISTORIES)
    np.testing.assert_array_equal(found, other.encode(HISTORIES))
    assert dataset.fingerprint() != before
    assert len(list((tmp_path / "query_tower").glob("v-*"))) == 1


def test_a_save_that_fails_half_way_leaves_the_old_tower(dataset, monkeypatch):
    dataset.save(shared_tower())

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(module.pq, "write_table", fail)
    with pytest.raises(DatasetError, match="no space left"):
        dataset.save(make_query_tower(seed=5))
    monkeypatch.undo()
    found = dataset.load().encode(HISTORIES)
    np.testing.assert_array_equal(found, shared_tower().encode(HISTORIES))


# covers: X9
@pytest.mark.parametrize(("name", "n_model"), [("items", 6), ("users", 3)])
def test_ids_that_do_not_fit_the_model_are_refused(dataset, name, n_model):
    tower = shared_tower()
    rows = getattr(tower.vocabularies, name).slice(0, n_model - 1)
    fewer = replace(tower.vocabularies, **{name: rows})
    dataset.save(replace(tower, vocabularies=fewer))
    message = f"has {n_model - 1} {name} for a model of {n_model}; run: kedro run"
    with pytest.raises(DatasetError, match=message):
        dataset.load()


# covers: X9
@pytest.mark.parametrize("name", ["items.parquet", "average_query.npy"])
def test_a_file_that_was_changed_is_refused(dataset, tmp_path, name):
    dataset.save(shared_tower())
    path = current_version(tmp_path / "query_tower") / name
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DatasetError, match="is damaged: its files are not those"):
        dataset.load()


# covers: X9
def test_a_folder_of_another_format_is_refused(dataset, monkeypatch):
    with monkeypatch.context() as later_version:
        later_version.setattr(module, "FORMAT", 7)
        dataset.save(shared_tower())
    with pytest.raises(DatasetError, match="of format 7; this version reads format 1"):
        dataset.load()


# covers: X9
def test_the_preview_describes_the_tower(dataset):
    dataset.save(shared_tower())
    said = json.loads(dataset.preview())
    assert (said["metric"], said["dimension"], said["n_items"]) == ("cosine", 4, 6)
    assert said["origin"]["fingerprints"] == {"interactions": "d"}


# covers: A52
def test_a_load_before_any_save_says_what_to_run(dataset):
    with pytest.raises(DatasetError, match=r"nothing is saved at .*; run: kedro"):
        dataset.load()


def test_its_name_has_the_path(dataset, tmp_path):
    assert str(tmp_path / "query_tower") in str(dataset)


def deployed(tmp_path):
    return DeployedVocabulariesDataset(filepath=str(tmp_path / "query_tower"))


# covers: L28
def test_vocabularies_are_read_without_the_model(dataset, tmp_path, monkeypatch):
    dataset.save(shared_tower())
    monkeypatch.delattr(module, "read_model")
    found = deployed(tmp_path).load()
    ids = found.items.order_by("item").item_id.to_pyarrow().to_pylist()
    assert ids == ITEM_IDS
    assert set(found.values.columns) >= {"entity", "value", "id"}
    assert found.schema == SCHEMA
    assert found.rules == ORIGIN["rules"]


# covers: L28
def test_a_tower_without_the_rules_of_its_split_is_refused(dataset, tmp_path):
    origin = {name: ORIGIN[name] for name in ("fingerprints", "parameters")}
    dataset.save(replace(shared_tower(), origin=origin))
    with pytest.raises(
        DatasetError, match=r"without the parameters .*; train a new model"
    ):
        deployed(tmp_path).load()


# covers: X9
def test_vocabularies_of_a_changed_tower_are_refused(dataset, tmp_path):
    dataset.save(shared_tower())
    path = current_version(tmp_path / "query_tower") / "users.parquet"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DatasetError, match="is damaged: its files are not those"):
        deployed(tmp_path).load()


# covers: L28
def test_a_deployed_table_outlives_the_tower_it_was_read_from(dataset, tmp_path):
    dataset.save(shared_tower())
    users = deployed(tmp_path).load().users
    dataset.save(make_query_tower(seed=5))
    assert users.user_id.execute().tolist() == [10, 20, 30]


def test_deployed_vocabularies_change_with_the_tower(dataset, tmp_path):
    dataset.save(shared_tower())
    before = deployed(tmp_path).fingerprint()
    assert before == dataset.fingerprint()
    dataset.save(make_query_tower(seed=5))
    assert deployed(tmp_path).fingerprint() != before


def test_deployed_vocabularies_are_read_only(tmp_path):
    with pytest.raises(DatasetError, match="saved as a whole query tower"):
        deployed(tmp_path).save({"schema": {}})


def test_without_a_tower_nothing_is_deployed(tmp_path):
    (tmp_path / "query_tower").mkdir()  # left by an interrupted first save
    assert not deployed(tmp_path).exists()
    with pytest.raises(DatasetError, match="nothing is saved at"):
        deployed(tmp_path).load()
