"""The learning curves."""

from typing import TYPE_CHECKING, NamedTuple

from two_tower.types import JsonObject

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LOSS_COLOUR = "#0072B2"
# Okabe & Ito's palette, distinct for all kinds of colour vision: one for each cutoff or
# metric.
COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = {"hr": "solid", "ndcg": "dash"}
HEIGHT, GAP = 300, 168  # of a panel, and of the titles between two; pixels


class Panel(NamedTuple):
    """One diagram of the objective's metrics, shown if the records have any of them.

    Attributes:
        title: above the diagram.
        unit: of its vertical axis.
        names: of the metrics, a line each.
        dash: of the lines; each panel has its own.
    """

    title: str
    unit: str
    names: tuple[str, ...]
    dash: str


METRICS = (
    Panel(
        "Training loss by parts, before weights",
        "nats per positive",
        ("nll", "load_balancing", "entropy", "semantic"),
        "dot",
    ),
    Panel(
        "Training positives",
        "share or cosine",
        (
            "accuracy",
            "positive_cosine",
            "positive_cosine_min",
            "positive_cosine_max",
            "vector_likeness",
        ),
        "dashdot",
    ),
    Panel(
        "Weights of the candidates that are not hard",
        "negatives that a candidate stands for",
        ("negative_weight", "negative_weight_min", "negative_weight_max"),
        "longdashdot",
    ),
    Panel(
        "Hard candidates that count for a positive",
        "candidates",
        ("hard_count_min", "hard_count_max"),
        "2px,8px",
    ),
    Panel(
        "Shares of the least and the most used head",
        "share of positives or items",
        (
            "head_posterior_min",
            "head_posterior_max",
            "item_head_min",
            "item_head_max",
            "head_certainty",
        ),
        "longdash",
    ),
    Panel(
        "Shares of the least and the most used vector",
        "share of positives",
        ("vector_share_min", "vector_share_max"),
        "8px,2px",
    ),
    Panel(
        "Soft-max temperature over vectors",
        "share of the temperature",
        ("soft_max_temperature",),
        "2px,2px",
    ),
)


def draw_learning_curves(history: list[JsonObject]) -> "Figure":
    """Return the loss, NDCG and hit rates of the validation, and metrics, by epoch.

    Args:
        history: one record per epoch, as `fit` returns it.
    """
    from plotly.subplots import make_subplots

    recorded = set().union(*history)
    panels = [panel for panel in METRICS if recorded.intersection(panel.names)]
    n_rows = 2 + len(panels)
    titles = ["Training loss", "Validation, all items ranked"]
    height = HEIGHT * n_rows
    figure = make_subplots(
        rows=n_rows,
        cols=1,
        shared_xaxes=True,
        subplot_titles=[*titles, *(panel.title for panel in panels)],
        vertical_spacing=GAP / height,
    )
    figure.add_scatter(
        x=[record["epoch"] for record in history],
        y=[record["loss"] for record in history],
        name="loss",
        line={"color": LOSS_COLOUR},
        row=1,
        col=1,
    )
    _draw_validation(figure, history, row=2)
    for row, panel in enumerate(panels, start=3):
        _draw_metrics(figure, history, panel, row=row)
    figure.update_xaxes(title_text="epoch", row=n_rows, col=1)
    figure.update_yaxes(title_text="nats per positive", row=1, col=1)
    figure.update_layout(template="plotly_white", height=height)
    return figure


def _draw_validation(figure: "Figure", history: list[JsonObject], *, row: int) -> None:
    """Draw hit rates and NDCG of the epochs that were validated."""
    validated = [record for record in history if "val_mrr" in record]
    names = [n for n in (validated or [{}])[0] if n.startswith(("val_ndcg", "val_hr"))]
    cutoffs = list(dict.fromkeys(name.split("@")[1] for name in names))
    for name in names:
        kind, cutoff = name.removeprefix("val_").split("@")
        colour = COLOURS[cutoffs.index(cutoff) % len(COLOURS)]
        figure.add_scatter(
            x=[record["epoch"] for record in validated],
            y=[record[name] for record in validated],
            name=f"{kind}@{cutoff}",
            mode="lines+markers",
            line={"color": colour, "dash": DASHES[kind]},
            row=row,
            col=1,
        )
    figure.update_yaxes(
        title_text="mean over users", rangemode="tozero", row=row, col=1
    )


def _draw_metrics(
    figure: "Figure", history: list[JsonObject], panel: Panel, *, row: int
) -> None:
    """Draw the metrics of a panel, each for the epochs that have it."""
    for line, name in enumerate(panel.names):
        recorded = [record for record in history if name in record]
        if not recorded:
            continue
        figure.add_scatter(
            x=[record["epoch"] for record in recorded],
            y=[record[name] for record in recorded],
            name=name,
            line={"color": COLOURS[line % len(COLOURS)], "dash": panel.dash},
            row=row,
            col=1,
        )
    figure.update_yaxes(title_text=panel.unit, row=row, col=1)
