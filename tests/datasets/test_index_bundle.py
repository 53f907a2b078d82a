import json
import sys

import pytest
from kedro.io import DatasetError

from tests.index.fabricate import annoy_over, bundle_of, unit_vectors
from two_tower.atomic import current_version
from two_tower.datasets import index_bundle
from two_tower.datasets.index_bundle import IndexBundleDataset


@pytest.fixture
def dataset(tmp_path):
    return IndexBundleDataset(filepath=str(tmp_path / "item_index"))


def bundle(n_items=50, seed=0):
    vectors = unit_vectors(n_items, seed=seed)
    return bundle_of(vectors, index=annoy_over(vectors))


# covers: N19 X9
def test_a_bundle_is_loaded_as_it_was_saved(dataset):
    assert not dataset.exists()
    dataset.save(bundle())
    assert dataset.exists()
    assert dataset.load().item_ids.to_pylist() == list(range(100, 150))


def test_a_second_save_replaces_the_first(dataset, tmp_path):
    dataset.save(bundle(50))
    dataset.save(bundle(40, seed=1))
    assert dataset.load().n_items == 40
    assert len(list((tmp_path / "item_index").glob("v-*"))) == 1


def test_a_loaded_bundle_answers_after_it_was_replaced(dataset):
    dataset.save(bundle(50))
    old = dataset.load()
    expected = old.index.search(unit_vectors(3), 5).indices
    dataset.save(bundle(40, seed=1))
    assert (old.index.search(unit_vectors(3), 5).indices == expected).all()


def test_a_save_that_fails_half_way_leaves_the_old_bundle(dataset, monkeypatch):
    dataset.save(bundle(50))

    def write_a_part(data, folder):
        (folder / "about.json").write_text("{")
        raise OSError("no space left on device")

    monkeypatch.setattr(index_bundle, "write_bundle", write_a_part)
    with pytest.raises(DatasetError, match="no space left"):
        dataset.save(bundle(40))
    assert dataset.load().n_items == 50


def test_a_bundle_that_would_not_load_is_not_saved(dataset, monkeypatch):
    dataset.save(bundle(50))
    broken = bundle(40)
    broken.golden.found.scores[:] -= 0.1
    with pytest.raises(DatasetError, match="golden queries have other results"):
        dataset.save(broken)
    assert dataset.load().n_items == 50


def test_a_damaged_file_is_one_clear_error(dataset, tmp_path):
    dataset.save(bundle())
    trees = current_version(tmp_path / "item_index") / "trees.ann"
    content = trees.read_bytes()
    trees.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DatasetError) as error:
        dataset.load()
    assert str(error.value) == (
        f"{trees} was changed since it was saved; run: kedro run --pipelines indexing"
    )


def test_a_load_before_any_save_says_what_to_run(dataset):
    with pytest.raises(DatasetError, match=r"nothing is saved at .*indexing"):
        dataset.load()


def test_the_preview_says_what_the_index_is(dataset):
    dataset.save(bundle())
    preview = json.loads(dataset.preview())
    assert (preview["n_items"], preview["backend"]) == (50, "annoy")
    assert preview["metric"] == "cosine"
    assert preview["recall"]["value"] == 1.0


def test_the_preview_does_not_open_the_index(dataset, monkeypatch):
    dataset.save(bundle())
    monkeypatch.setitem(sys.modules, "annoy", None)  # importing it would raise
    assert json.loads(dataset.preview())["dimension"] == 8


def test_a_changed_description_is_refused(dataset, tmp_path):
    dataset.save(bundle())
    about = current_version(tmp_path / "item_index") / "about.json"
    about.write_text(about.read_text().replace('"target": 0.95', '"target": 0.85'))
    with pytest.raises(DatasetError, match=r"item_index/v-.* is damaged: its files"):
        dataset.load()


def test_a_stray_file_is_refused_by_name(dataset, tmp_path):
    dataset.save(bundle())
    (current_version(tmp_path / "item_index") / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"notes\.txt was added to what was saved"):
        dataset.load()
