import pytest

from two_tower.pipelines.training.nodes import plot_learning_curves

HISTORY = [
    {"epoch": 1, "loss": 3.0},
    {
        "epoch": 2,
        "loss": 2.0,
        "val_hr@10": 0.1,
        "val_recall@10": 0.1,
        "val_ndcg@10": 0.05,
        "val_hr@50": 0.4,
        "val_recall@50": 0.4,
        "val_ndcg@50": 0.2,
        "val_mrr": 0.03,
        "validation_seconds": 1.0,
    },
]


@pytest.fixture(scope="module")
def traces():
    return {trace.name: trace for trace in plot_learning_curves(HISTORY).data}


def test_the_loss_is_drawn_for_every_epoch(traces):
    assert traces["loss"].x == (1, 2)
    assert traces["loss"].y == (3.0, 2.0)


def test_figures_are_drawn_for_the_epochs_that_were_validated(traces):
    assert set(traces) == {"loss", "hr@10", "ndcg@10", "hr@50", "ndcg@50"}
    assert traces["ndcg@50"].x == (2,)
    assert traces["ndcg@50"].y == (0.2,)


def test_loss_and_figures_have_axes_of_their_own(traces):
    axes = {name: trace.yaxis for name, trace in traces.items()}
    assert axes.pop("loss") == "y"
    assert set(axes.values()) == {"y2"}


def test_no_two_lines_look_alike(traces):
    looks = {(trace.line.color, trace.line.dash) for trace in traces.values()}
    assert len(looks) == len(traces)


def test_without_validation_there_is_the_loss_alone():
    figure = plot_learning_curves(HISTORY[:1])
    assert [trace.name for trace in figure.data] == ["loss"]
