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
from two_tower.datasets.deployed_vocabulary import DeployedVocabularyDataset
from two_tower.datasets.query_tower import QueryTowerDataset

HISTORIES = pa.array([["c", "a"], [], ["unheard of"]], pa.list_(pa.string()))


@pytest.fixture
def dataset(tmp_path):
    return QueryTowerDataset(filepath=str(tmp_path / "query_tower"))


@pytest.fixture
def change_about(dataset, tmp_path):
    """Return a function that changes what a saved tower says of itself."""

    def change(**values):
        path = current_version(tmp_path / "query_tower") / "about.json"
        about = json.loads(path.read_text())
        path.write_text(json.dumps(about | values))

    return change


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
    assert (loaded.edges, loaded.tokens_per_batch) == ([2, 4, 8], 16)
    assert loaded.origin == tower.origin
    for name in ("average", "learned"):
        found, expected = (t.cold_query(name) for t in (loaded, tower))
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


def test_a_second_save_takes_the_place_of_the_first(dataset, tmp_path):
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
def test_a_folder_of_another_format_is_refused(dataset, change_about):
    dataset.save(shared_tower())
    change_about(format=7)
    with pytest.raises(DatasetError, match="of format 7; this version reads format 1"):
        dataset.load()


# covers: X9
def test_a_tower_says_what_it_is_made_of(dataset):
    dataset.save(shared_tower())
    said = json.loads(dataset.preview())
    assert (said["metric"], said["dimension"], said["n_items"]) == ("cosine", 4, 6)
    assert said["origin"]["fingerprints"] == {"interactions": "d"}


# covers: A52
def test_a_load_before_any_save_says_what_to_run(dataset):
    with pytest.raises(
        DatasetError, match=r"there is no query tower in .*; run: kedro"
    ):
        dataset.load()


def test_it_says_where_it_lies(dataset, tmp_path):
    assert str(tmp_path / "query_tower") in str(dataset)


def known(tmp_path, part):
    return DeployedVocabularyDataset(filepath=str(tmp_path / "query_tower"), part=part)


# covers: L28
def test_vocabularies_are_read_without_the_model(dataset, tmp_path, monkeypatch):
    dataset.save(shared_tower())
    monkeypatch.delattr(module.KerasModelDataset, "load")
    items = known(tmp_path, "items").load()
    assert items.order_by("item").item_id.to_pyarrow().to_pylist() == ITEM_IDS
    assert set(known(tmp_path, "values").load().columns) >= {"entity", "value", "id"}
    assert known(tmp_path, "schema").load() == SCHEMA
    assert known(tmp_path, "rules").load() == ORIGIN["rules"]


# covers: L28
def test_a_tower_that_does_not_say_how_its_data_were_split_has_no_rules(
    dataset, tmp_path
):
    untold = {name: ORIGIN[name] for name in ("fingerprints", "parameters")}
    dataset.save(replace(shared_tower(), origin=untold))
    with pytest.raises(DatasetError, match=r"doesn't say how .* split; train anew"):
        known(tmp_path, "rules").load()


# covers: X9
@pytest.mark.parametrize("part", ["items", "schema", "rules"])
def test_vocabularies_of_a_changed_tower_are_refused(dataset, tmp_path, part):
    dataset.save(shared_tower())
    path = current_version(tmp_path / "query_tower") / "users.parquet"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DatasetError, match="is damaged: its files are not those"):
        known(tmp_path, part).load()


# covers: L28
def test_a_known_table_outlives_the_tower_it_was_read_from(dataset, tmp_path):
    dataset.save(shared_tower())
    users = known(tmp_path, "users").load()
    dataset.save(make_query_tower(seed=5))
    assert users.user_id.execute().tolist() == [10, 20, 30]


def test_known_vocabularies_change_with_the_tower(dataset, tmp_path):
    dataset.save(shared_tower())
    before = known(tmp_path, "items").fingerprint()
    assert before == dataset.fingerprint()
    dataset.save(make_query_tower(seed=5))
    assert known(tmp_path, "items").fingerprint() != before


def test_a_part_that_no_tower_has_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="'films' is none of items, users, values"):
        known(tmp_path, "films")


def test_known_vocabularies_are_only_read(tmp_path):
    with pytest.raises(DatasetError, match="saved as a query tower, not in parts"):
        known(tmp_path, "items").save({"schema": {}})


def test_without_a_tower_nothing_is_known(tmp_path):
    (tmp_path / "query_tower").mkdir()  # of a first save that was cut short
    assert not known(tmp_path, "items").exists()
    with pytest.raises(DatasetError, match="there is no query tower in"):
        known(tmp_path, "items").load()
