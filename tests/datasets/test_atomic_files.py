import inspect
import json

import plotly.graph_objects as go
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from kedro.io import DatasetError, Version

from two_tower.datasets.atomic_files import (
    AtomicJSONDataset,
    AtomicTextDataset,
    PlotDataset,
)

DATASETS = {"a.json": AtomicJSONDataset, "a.md": AtomicTextDataset, "f": PlotDataset}
CONTENTS = {
    "a.json": ({"hr@10": 0.5, "title": "Amélie"}, [1, 2]),
    "a.md": ("# Amélie\n", "other"),
    "f": (go.Figure(go.Scatter(y=[0.0, 1.0])), go.Figure(go.Scatter(y=[2.0]))),
}


def open_dataset(folder, name):
    return DATASETS[name](filepath=str(folder / "deep" / name))


@pytest.mark.parametrize("name", DATASETS)
def test_saved_content_is_loaded(tmp_path, name):
    dataset = open_dataset(tmp_path, name)
    assert not dataset.exists()
    dataset.save(CONTENTS[name][0])
    assert dataset.exists()
    assert dataset.load() == CONTENTS[name][0]


@pytest.mark.parametrize("name", DATASETS)
def test_a_second_save_replaces_the_first(tmp_path, name):
    dataset = open_dataset(tmp_path, name)
    for content in CONTENTS[name]:
        dataset.save(content)
    assert dataset.load() == CONTENTS[name][1]


@pytest.mark.parametrize(
    ("name", "invalid", "message"),
    [
        ("a.json", {"a": object()}, "JSON"),
        ("a.json", {"a": float("nan")}, "JSON"),
        ("a.md", 3, "str"),
        ("f", go.Figure(layout={"meta": {"a": object()}}), "JSON"),
    ],
)
def test_a_failed_save_leaves_the_old_file(tmp_path, name, invalid, message):
    dataset = open_dataset(tmp_path, name)
    dataset.save(CONTENTS[name][0])
    with pytest.raises(DatasetError, match=message):
        dataset.save(invalid)
    assert dataset.load() == CONTENTS[name][0]
    names = {path.name for path in (tmp_path / "deep").iterdir()}
    assert names == {name, f".{name}.sha256"}


def test_json_is_indented_and_keeps_its_letters(tmp_path):
    open_dataset(tmp_path, "a.json").save({"title": "Amélie"})
    text = (tmp_path / "deep" / "a.json").read_text(encoding="utf-8")
    assert text == '{\n  "title": "Amélie"\n}\n'


def test_the_preview_of_json_is_its_content(tmp_path):
    dataset = open_dataset(tmp_path, "a.json")
    dataset.save(CONTENTS["a.json"][0])
    assert json.loads(dataset.preview()) == dataset.load()


def test_equal_figures_give_equal_bytes(tmp_path):
    dataset, path = open_dataset(tmp_path, "f"), tmp_path / "deep" / "f"
    dataset.save(go.Figure(go.Scatter(y=[0.0, 1.0], uid="1")))
    first = path.read_bytes()
    dataset.save(go.Figure(go.Scatter(y=[0.0, 1.0], uid="2")))
    assert path.read_bytes() == first


def test_kedro_viz_draws_the_preview_of_a_figure(tmp_path):
    dataset = open_dataset(tmp_path, "f")
    dataset.save(go.Figure(go.Scatter(y=[0.0, 1.0]), {"title": {"text": "HR"}}))
    preview = dataset.preview()
    assert preview["data"][0]["y"] == [0.0, 1.0]
    assert preview["layout"]["title"]["text"] == "HR"
    # Kedro-Viz selects the view by the name of the return annotation.
    annotation = inspect.signature(dataset.preview).return_annotation
    assert getattr(annotation, "__name__", annotation) == "PlotlyPreview"
    json.dumps(preview)


def test_a_figure_at_a_remote_path_is_refused():
    with pytest.raises(DatasetError, match="not local"):
        PlotDataset(filepath="s3://bucket/curves.json")


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_file_is_named_with_a_command(tmp_path, name):
    dataset, path = open_dataset(tmp_path, name), tmp_path / "deep" / name
    with pytest.raises(DatasetError) as error:
        dataset.load()
    assert str(error.value) == (
        f"{path} is missing; run, with its --env: kedro run --to-outputs {name[0]}"
    )


@pytest.mark.parametrize("name", DATASETS)
def test_each_flipped_bit_is_refused(tmp_path, name):
    dataset, path = open_dataset(tmp_path, name), tmp_path / "deep" / name
    dataset.save(CONTENTS[name][0])
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        path.write_bytes(flipped)
        with pytest.raises(DatasetError, match=f"{name} is damaged: .*--to-outputs"):
            dataset.load()
    path.write_bytes(content)
    assert dataset.load() == CONTENTS[name][0]


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_in_place_of_the_file_is_refused(tmp_path, name):
    dataset, path = open_dataset(tmp_path, name), tmp_path / "deep" / name
    path.mkdir(parents=True)
    with pytest.raises(DatasetError, match=f"{name} is a folder, .*--to-outputs"):
        dataset.load()


def test_a_file_by_hand_that_can_not_be_read_is_named(tmp_path):
    dataset = open_dataset(tmp_path, "a.json")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.json").write_text("{")
    with pytest.raises(
        DatasetError, match=r"a\.json can't be read \(JSONDecodeError: .*--to-outputs a"
    ):
        dataset.load()


def test_versions_are_found_in_a_folder_with_brackets(tmp_path):
    path = str(tmp_path / "deep [1]" / "a.json")
    for version in ("1", "2"):
        AtomicJSONDataset(filepath=path, version=Version(None, version)).save(version)
    assert AtomicJSONDataset(filepath=path, version=Version(None, None)).load() == "2"


@pytest.mark.parametrize("name", ["a.json", "a.md"])
def test_an_object_store_checks_its_files_itself(name):
    dataset = DATASETS[name](filepath=f"memory://bucket/{name}")
    dataset.save(CONTENTS[name][0])
    assert dataset.load() == CONTENTS[name][0]
    stored = MemoryFileSystem().find("/")
    assert [path.rpartition("/")[2] for path in stored] == [name]
    MemoryFileSystem().rm(stored[0])
