import pytest

from two_tower.pipelines.training import plots as curves
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


def test_the_loss_is_plotted_for_every_epoch(traces):
    assert traces["loss"].x == (1, 2)
    assert traces["loss"].y == (3.0, 2.0)


def test_validation_metrics_are_plotted_for_the_validated_epochs(traces):
    assert set(traces) == {"loss", "hr@10", "ndcg@10", "hr@50", "ndcg@50"}
    assert traces["ndcg@50"].x == (2,)
    assert traces["ndcg@50"].y == (0.2,)


def test_loss_and_validation_metrics_have_separate_axes(traces):
    axes = {name: trace.yaxis for name, trace in traces.items()}
    assert axes.pop("loss") == "y"
    assert set(axes.values()) == {"y2"}


def test_no_two_lines_look_alike(traces):
    looks = {(trace.line.color, trace.line.dash) for trace in traces.values()}
    assert len(looks) == len(traces)


def test_without_validation_there_is_the_loss_alone():
    figure = plot_learning_curves(HISTORY[:1])
    assert [trace.name for trace in figure.data] == ["loss"]


WITH_METRICS = [
    record
    | {"nll": 1.0, "semantic": 0.5, "accuracy": 0.2, "head_posterior_min": 0.1 * epoch}
    | {"vector_likeness": 0.3, "item_head_min": 0.05, "head_certainty": 0.6}
    for epoch, record in enumerate(HISTORY, start=1)
]


# covers: A49
def test_metrics_of_the_objective_have_panels():
    drawn = {trace.name: trace for trace in plot_learning_curves(WITH_METRICS).data}
    assert drawn["head_posterior_min"].x == (1, 2)
    assert drawn["head_posterior_min"].y == pytest.approx((0.1, 0.2))
    names = "nll", "semantic", "accuracy", "head_posterior_min"
    assert [drawn[name].yaxis for name in names] == ["y3", "y3", "y4", "y5"]
    names = "vector_likeness", "item_head_min", "head_certainty"
    assert [drawn[name].yaxis for name in names] == ["y4", "y5", "y5"]
    looks = {(trace.line.color, trace.line.dash) for trace in drawn.values()}
    assert len(looks) == len(drawn)


# covers: A49
def test_a_panel_without_a_metric_is_left_out():
    history = [{"epoch": 1, "loss": 3.0, "head_posterior_max": 0.4}]
    figure = plot_learning_curves(history)
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert len(titles) == 3
    assert titles[-1] == "Shares of the least and the most used head"
    assert figure.layout.xaxis3.title.text == "epoch"


NAMES = (
    "nll",
    "load_balancing",
    "entropy",
    "semantic",
    "accuracy",
    "positive_cosine",
    "positive_cosine_min",
    "positive_cosine_max",
    "head_certainty",
    "negative_weight",
    "negative_weight_min",
    "negative_weight_max",
    "hard_count_min",
    "hard_count_max",
    "head_posterior_min",
    "head_posterior_max",
    "item_head_min",
    "item_head_max",
    "vector_likeness",
    "vector_share_min",
    "vector_share_max",
    "soft_max_temperature",
)


# covers: A49
def test_weights_and_counts_of_candidates_are_plotted_too():
    history = [{"epoch": 1, "loss": 3.0} | dict.fromkeys(NAMES, 0.5)]
    drawn = [
        trace for trace in plot_learning_curves(history).data if trace.name != "loss"
    ]
    assert sorted(trace.name for trace in drawn) == sorted(NAMES)
    looks = {(trace.line.color, trace.line.dash) for trace in drawn}
    assert len(looks) == len(NAMES)


# covers: A49
def test_every_metric_is_plotted_if_there_are_few_colours(monkeypatch):
    monkeypatch.setattr(curves, "COLOURS", curves.COLOURS[:2])
    history = [{"epoch": 1, "loss": 3.0} | dict.fromkeys(NAMES, 0.5)]
    assert len(plot_learning_curves(history).data) == 1 + len(NAMES)
