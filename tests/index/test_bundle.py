import json
from dataclasses import replace

import numpy as np
import pytest

from tests.index.fabricate import annoy_over, bundle_of, unit_vectors
from two_tower.atomic import file_sha256
from two_tower.index.bundle_files import read_bundle, write_bundle
from two_tower.index.exact import ExactIndex


@pytest.fixture
def folder(tmp_path):
    vectors = unit_vectors(60)
    write_bundle(bundle_of(vectors, index=annoy_over(vectors)), tmp_path)
    return tmp_path


def edit_about(folder, **changes):
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(about | changes))


def replace_part(folder, name, array):
    """Swap a file for a sound one that doesn't belong, hash and all."""
    np.save(folder / name, array)
    about = json.loads((folder / "about.json").read_text())
    about["files"][name] = file_sha256(folder / name)
    (folder / "about.json").write_text(json.dumps(about))


# covers: N19 X9
@pytest.mark.parametrize("ids", [range(60), [f"m{i}" for i in range(60)]])
@pytest.mark.parametrize("make_index", [annoy_over, ExactIndex])
def test_a_bundle_reads_back_as_it_was(tmp_path, ids, make_index):
    vectors = unit_vectors(60)
    bundle = bundle_of(vectors, item_ids=list(ids), index=make_index(vectors))
    write_bundle(bundle, tmp_path)
    opened = read_bundle(tmp_path)
    assert opened.item_ids.to_pylist() == list(ids)
    assert opened.index.backend == bundle.index.backend
    assert (opened.recall, opened.seed) == (bundle.recall, bundle.seed)
    assert opened.fingerprints == {"two_tower_model": "m", "interactions": "d"}
    np.testing.assert_array_equal(opened.vectors, vectors)
    before, after = (b.index.search(unit_vectors(4), 9) for b in (bundle, opened))
    np.testing.assert_array_equal(before.indices, after.indices)
    np.testing.assert_array_equal(before.scores, after.scores)


def test_a_bundle_says_how_large_it_is_on_disk(folder):
    others = [path for path in folder.iterdir() if path.name != "about.json"]
    about = json.loads((folder / "about.json").read_text())
    assert about["bytes"] == sum(len(path.read_bytes()) for path in others)


# covers: X12
def test_two_builds_from_one_seed_are_the_same_bytes(tmp_path):
    contents = []
    for name in "ab":
        (tmp_path / name).mkdir()
        vectors = unit_vectors(60)
        write_bundle(bundle_of(vectors, index=annoy_over(vectors)), tmp_path / name)
        files = sorted((tmp_path / name).iterdir())
        contents.append({file.name: file.read_bytes() for file in files})
    assert len(contents[0]) == 7
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "name", ["trees.ann", "vectors.npy", "item_ids.arrow", "golden_scores.npy"]
)
def test_one_changed_byte_in_any_file_is_found(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is damaged.*indexing pipeline again"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["trees.ann", "about.json"])
def test_a_missing_file_is_found(folder, name):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2; this version reads format 1"),
        ({"backend": "faiss"}, "back end 'faiss'; known are annoy, exact"),
        ({"metric": "dot"}, "metric 'dot'"),
        ({"n_items": 61}, "n_items 60, but about.json says 61"),
        ({"dimension": 9}, "dimension 8, but about.json says 9"),
        ({"item_id_type": "string"}, "item_id_type int64, but"),
        ({"library": {"name": "annoy", "version": "1.9.0"}}, r"annoy 1\.9\.0, but"),
        ({"parameters": {}}, "no whole index bundle"),
        ({"recall": {"at_k": 1}}, "no whole index bundle"),
    ],
)
def test_a_bundle_that_says_otherwise_than_it_is_is_refused(folder, changes, message):
    edit_about(folder, **changes)
    with pytest.raises(ValueError, match=message):
        read_bundle(folder)


def test_text_that_is_no_json_is_refused(folder):
    (folder / "about.json").write_text("{")
    with pytest.raises(ValueError, match=r"about\.json is missing or damaged"):
        read_bundle(folder)


def test_another_patch_of_the_library_is_read_with_a_warning(folder, caplog):
    edit_about(folder, library={"name": "annoy", "version": "1.17.0"})
    read_bundle(folder)
    assert "built with annoy 1.17.0" in caplog.text


# covers: X9
def test_golden_queries_show_vectors_of_another_model(folder):
    replace_part(folder, "vectors.npy", unit_vectors(60, seed=5))
    with pytest.raises(ValueError, match="3 of 3 golden queries are answered diff"):
        read_bundle(folder)


def test_vectors_of_another_count_are_refused(folder):
    replace_part(folder, "vectors.npy", unit_vectors(59))
    with pytest.raises(ValueError, match=r"holds 60 vectors .* 60 item ids .*59, 8"):
        read_bundle(folder)


def test_item_ids_of_another_count_are_refused():
    vectors = unit_vectors(6)
    with pytest.raises(ValueError, match=r"6 vectors of 8 dimensions.* 5 item ids"):
        bundle_of(vectors, item_ids=range(5))


def test_equal_scores_may_change_places_when_replayed(tmp_path):
    bundle = bundle_of(np.tile(np.eye(1, 4, dtype=np.float32), (5, 1)))
    found = bundle.golden.found
    swapped = found._replace(indices=found.indices[:, ::-1])
    golden = replace(bundle.golden, found=swapped)
    write_bundle(replace(bundle, golden=golden), tmp_path)
    assert read_bundle(tmp_path).n_items == 5
