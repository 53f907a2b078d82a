import json
import subprocess
import sys

import numpy as np
import pytest

from tests.index.fabricate import annoy_over, bundle_of, sign_vectors, unit_vectors
from two_tower.hashes import file_sha256
from two_tower.index.bundle_files import read_bundle, write_bundle
from two_tower.index.exact import ExactIndex

HEAVY = ("tensorflow", "keras", "jax", "kedro", "ibis", "plotly")

# What a fresh process imports to serve a bundle.
PROGRAM = """
import sys
from pathlib import Path
from two_tower.index.bundle_files import read_bundle
from two_tower.recommend.recommender import Recommender

recommender = Recommender(read_bundle(Path(sys.argv[1])))
print(recommender.nearest_items(100, 1)[0].item_id)
print([name for name in sys.argv[2:] if name in sys.modules])
"""


@pytest.fixture
def folder(tmp_path):
    vectors = unit_vectors(60)
    write_bundle(bundle_of(vectors, index=annoy_over(vectors)), tmp_path)
    return tmp_path


def edit_about(folder, **changes):
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(about | changes))


def replace_part(folder, name, array):
    """Swap a file for a valid one of another bundle, and its hash, too."""
    np.save(folder / name, array)
    about = json.loads((folder / "about.json").read_text())
    about["files"][name] = file_sha256(folder / name)
    (folder / "about.json").write_text(json.dumps(about))


# covers: N19 X9
@pytest.mark.parametrize("ids", [range(60), [f"m{i}" for i in range(60)]])
@pytest.mark.parametrize("make_index", [annoy_over, ExactIndex])
def test_a_bundle_is_read_as_it_was_written(tmp_path, ids, make_index):
    vectors = unit_vectors(60)
    bundle = bundle_of(vectors, item_ids=list(ids), index=make_index(vectors))
    write_bundle(bundle, tmp_path)
    opened = read_bundle(tmp_path)
    assert opened.item_ids.to_pylist() == list(ids)
    assert opened.backend == bundle.backend
    assert (opened.recall, opened.seed) == (bundle.recall, bundle.seed)
    assert opened.fingerprints == {"two_tower_model": "m", "interactions": "d"}
    np.testing.assert_array_equal(opened.vectors, vectors)
    before, after = (b.index.search(unit_vectors(4), 9) for b in (bundle, opened))
    np.testing.assert_array_equal(before.indices, after.indices)
    np.testing.assert_array_equal(before.scores, after.scores)


def test_the_description_has_the_size_on_disk(folder):
    others = [path for path in folder.iterdir() if path.name != "about.json"]
    about = json.loads((folder / "about.json").read_text())
    assert about["bytes"] == sum(len(path.read_bytes()) for path in others)


# covers: X12
def test_two_builds_from_one_seed_have_equal_bytes(tmp_path):
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
    with pytest.raises(
        ValueError, match=f"{name} is damaged.*run --pipelines indexing"
    ):
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
        ({"backend": "faiss"}, "back end 'faiss'; this version reads annoy, exact"),
        ({"metric": "dot"}, "metric 'dot'"),
        ({"n_items": 61}, "n_items 60, but about.json says 61"),
        ({"dimension": 9}, "dimension 8, but about.json says 9"),
        ({"item_id_type": "string"}, "item_id_type int64, but"),
        ({"library": {"name": "annoy", "version": "1.9.0"}}, r"annoy 1\.9\.0, but"),
        ({"parameters": {}}, "not a complete index bundle"),
        ({"recall": {"at_k": 1}}, "not a complete index bundle"),
    ],
)
def test_a_description_that_contradicts_the_files_is_refused(folder, changes, message):
    edit_about(folder, **changes)
    with pytest.raises(ValueError, match=message):
        read_bundle(folder)


def test_a_description_that_is_no_json_is_refused(folder):
    (folder / "about.json").write_text("{")
    with pytest.raises(ValueError, match=r"about\.json is missing or damaged"):
        read_bundle(folder)


def test_another_patch_version_of_the_library_logs_a_warning(folder, caplog):
    edit_about(folder, library={"name": "annoy", "version": "1.17.0"})
    read_bundle(folder)
    assert "built with annoy 1.17.0" in caplog.text


def test_vectors_of_another_count_are_refused(folder):
    replace_part(folder, "vectors.npy", unit_vectors(59))
    with pytest.raises(ValueError, match=r"holds 60 vectors .* 60 item ids .*59, 8"):
        read_bundle(folder)


# covers: X9
def test_vectors_of_another_model_fail_the_golden_queries(folder):
    replace_part(folder, "vectors.npy", unit_vectors(60, seed=5))
    with pytest.raises(ValueError, match="3 of 3 golden queries have other results"):
        read_bundle(folder)


# covers: X16 N18
def test_a_bundle_is_served_without_tensorflow_or_kedro(tmp_path):
    vectors = sign_vectors(30)
    vectors[17] = vectors[0]
    write_bundle(bundle_of(vectors, index=annoy_over(vectors)), tmp_path)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.split("\n")[:2] == ["117", "[]"]
