import pytest

from tests.evaluation.fabricate import World, metrics_of
from two_tower.evaluation.plots import plot_hit_rates, plot_slices


@pytest.fixture(scope="module")
def metrics():
    return metrics_of(World())


def test_the_curves_are_the_hit_rates(metrics):
    figure = plot_hit_rates(metrics)
    curves = {trace.name: trace for trace in figure.data}
    exact = metrics["two_tower"]["exact"]
    assert list(curves["two-tower, exact"].x) == [1, 5, 10]
    expected = [exact[f"hr@{k}"] for k in (1, 5, 10)]
    assert list(curves["two-tower, exact"].y) == expected
    assert set(curves) == {
        "90% interval",
        "two-tower, exact",
        "two-tower, through the index",
        "popularity",
        "EASE",
    }
    assert "small world" in figure.layout.title.text
    assert "share of queries" in figure.layout.yaxis.title.text


def test_the_bars_are_the_hit_rates_of_the_slices(metrics):
    figure = plot_slices(metrics)
    bars = [trace for trace in figure.data if trace.name == "EASE"]
    lengths = metrics["slices"]["history_length"]
    assert list(bars[0].y) == [one["ease"]["hr@5"] for one in lengths.values()]
    assert [label.split("<br>")[0] for label in bars[0].x] == list(lengths)
    assert [trace.showlegend for trace in bars] == [True, False, False, False, False]


def test_cold_items_have_a_bar_for_their_ranking_among_themselves(metrics):
    figure = plot_slices(metrics)
    exact = [trace for trace in figure.data if trace.name == "two-tower, exact"][2]
    names = [label.split("<br>")[0] for label in exact.x]
    assert names == ["warm", "cold", "cold, among cold"]
    assert exact.y[2] == metrics["among_cold_items"]["exact"]["hr@5"]


def test_slices_without_queries_have_no_bar(metrics):
    empty = {"n_queries": 0, "n_positives": 0}
    coldness = metrics["slices"]["item_coldness"] | {"cold": empty}
    slices = metrics["slices"] | {"item_coldness": coldness}
    warm_only = metrics | {"slices": slices, "among_cold_items": empty}
    bars = plot_slices(warm_only).data[2]
    assert [label.split("<br>")[0] for label in bars.x] == ["warm"]
