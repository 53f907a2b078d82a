import inspect
import json

import plotly.graph_objects as go
import pytest
from kedro.io import DatasetError

from two_tower.datasets.plot import PlotDataset


@pytest.fixture
def dataset(tmp_path):
    return PlotDataset(filepath=str(tmp_path / "deep" / "curves.json"))


def figure(height=1.0):
    return go.Figure(go.Scatter(x=[1, 2], y=[0.0, height]), {"title": {"text": "HR"}})


def test_what_is_saved_is_loaded(dataset):
    assert not dataset.exists()
    dataset.save(figure())
    assert dataset.exists()
    assert dataset.load() == figure()


def test_a_second_save_takes_the_place_of_the_first(dataset):
    dataset.save(figure(1.0))
    dataset.save(figure(2.0))
    assert dataset.load() == figure(2.0)


def test_one_figure_is_always_the_same_bytes(dataset, tmp_path):
    path = tmp_path / "deep" / "curves.json"
    dataset.save(figure())
    first = path.read_bytes()
    dataset.save(figure())
    assert path.read_bytes() == first


def test_a_save_that_fails_leaves_the_old_figure(dataset, tmp_path):
    dataset.save(figure())
    unfit = go.Figure(layout={"meta": {"a": object()}})
    with pytest.raises(DatasetError, match="JSON"):
        dataset.save(unfit)
    assert dataset.load() == figure()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["curves.json"]


def test_kedro_viz_takes_the_preview_for_a_plot(dataset):
    dataset.save(figure())
    preview = dataset.preview()
    assert preview["data"][0]["y"] == [0.0, 1.0]
    assert preview["layout"]["title"]["text"] == "HR"
    # Kedro-Viz goes by the name of the annotation.
    annotation = inspect.signature(dataset.preview).return_annotation
    assert getattr(annotation, "__name__", annotation) == "PlotlyPreview"
    json.dumps(preview)


def test_a_remote_path_is_refused():
    with pytest.raises(DatasetError, match="not local"):
        PlotDataset(filepath="s3://bucket/curves.json")
