"""The learning curves."""

from typing import TYPE_CHECKING

from two_tower.types import JsonObject

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LOSS_COLOUR = "#0072B2"
# Okabe & Ito's palette, told apart whatever one's colour vision: one for each cut-off.
CUTOFF_COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = {"hr": "solid", "ndcg": "dash"}


def draw_learning_curves(history: list[JsonObject]) -> "Figure":
    """Return the loss above the validation's NDCG and hit rates, by epoch.

    Args:
        history: one record per epoch, as `fit` returns it.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        subplot_titles=("Training loss", "Validation, all items ranked"),
        vertical_spacing=0.28,
    )
    figure.add_scatter(
        x=[record["epoch"] for record in history],
        y=[record["loss"] for record in history],
        name="loss",
        line={"color": LOSS_COLOUR},
        row=1,
        col=1,
    )
    validated = [record for record in history if "val_mrr" in record]
    names = [n for n in (validated or [{}])[0] if n.startswith(("val_ndcg", "val_hr"))]
    cutoffs = list(dict.fromkeys(name.split("@")[1] for name in names))
    for name in names:
        kind, cutoff = name.removeprefix("val_").split("@")
        colour = CUTOFF_COLOURS[cutoffs.index(cutoff) % len(CUTOFF_COLOURS)]
        figure.add_scatter(
            x=[record["epoch"] for record in validated],
            y=[record[name] for record in validated],
            name=f"{kind}@{cutoff}",
            mode="lines+markers",
            line={"color": colour, "dash": DASHES[kind]},
            row=2,
            col=1,
        )
    figure.update_xaxes(title_text="epoch", row=2, col=1)
    figure.update_yaxes(title_text="nats per positive", row=1, col=1)
    figure.update_yaxes(title_text="mean over users", rangemode="tozero", row=2, col=1)
    figure.update_layout(template="plotly_white", height=600)
    return figure
