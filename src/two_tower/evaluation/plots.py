"""Plots of hit rates, by k and by slice."""

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from two_tower.evaluation.report import NAMES, rankings_of
from two_tower.types import JsonObject

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

    Figure: TypeAlias = PlotlyFigure
else:
    # Kedro evaluates a node's hints at run time, without Plotly: any figure.
    Figure = Any

# Okabe and Ito's palette, distinguishable by colour-blind readers.
STYLES: Final = {
    "exact": {"color": "#0072B2", "dash": "solid", "symbol": "circle"},
    "index": {"color": "#56B4E9", "dash": "dash", "symbol": "circle-open"},
    "popularity": {"color": "#D55E00", "dash": "solid", "symbol": "square"},
    "ease": {"color": "#009E73", "dash": "solid", "symbol": "diamond"},
    "random": {"color": "#999999", "dash": "dot", "symbol": "x"},
}

AXES: Final = {
    "history_length": "history length (items)",
    "item_popularity": "popularity of the positive",
    "item_coldness": "coldness of the positive",
    "repetition": "history holds the positive",
    "user_coldness": "coldness of the user",
}


def plot_hit_rates(metrics: JsonObject) -> Figure:
    """Return HR@k over k for every ranking, with the interval of the exact one."""
    from plotly import graph_objects as go

    protocol, intervals = metrics["protocol"], metrics["intervals"]
    cutoffs = protocol["cutoffs"]
    figure = go.Figure()
    band = [intervals["two_tower"][f"hr@{k}"] for k in cutoffs]
    figure.add_scatter(
        x=cutoffs + cutoffs[::-1],
        y=[one["high"] for one in band] + [one["low"] for one in band[::-1]],
        fill="toself",
        fillcolor="rgba(0, 114, 178, 0.2)",
        line_width=0,
        mode="lines",
        hoverinfo="skip",
        name=f"{intervals['confidence']:.0%} interval",
    )
    for name, means in rankings_of(metrics).items():
        style = STYLES[name]
        figure.add_scatter(
            x=cutoffs,
            y=[means[f"hr@{k}"] for k in cutoffs],
            mode="lines+markers",
            name=NAMES[name],
            line={"color": style["color"], "dash": style["dash"], "width": 2},
            marker={"symbol": style["symbol"], "size": 8},
            hovertemplate="HR@%{x} = %{y:.4f}",
        )
    figure.update_xaxes(
        title="k, list length (items, logarithmic)",
        type="log",
        tickvals=cutoffs,
        ticktext=[str(k) for k in cutoffs],
    )
    figure.update_yaxes(title="HR@k (share of queries)", rangemode="tozero")
    return _lay_out(figure, f"Hit rate on {protocol['dataset']}, all items ranked")


def plot_slices(metrics: JsonObject) -> Figure:
    """Return the headline hit rate of every ranking in each slice, side by side.

    The cold items appear twice: ranked among all items, and among cold items only.
    """
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots

    protocol, slices = metrics["protocol"], dict(metrics["slices"])
    k = protocol["headline"]
    slices["item_coldness"] = slices["item_coldness"] | {
        "cold, among cold": metrics["among_cold_items"]
    }
    filled = {
        kind: {name: one for name, one in groups.items() if one["n_queries"]}
        for kind, groups in slices.items()
    }
    figure: Figure = make_subplots(
        cols=len(filled),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        column_widths=[len(groups) for groups in filled.values()],
    )
    for ranking in [*rankings_of(metrics), "random"]:
        for column, groups in enumerate(filled.values(), start=1):
            bars = go.Bar(
                x=[
                    f"{name}<br>n={one['n_positives']:,}"
                    for name, one in groups.items()
                    if ranking in one
                ],
                y=[
                    one[ranking][f"hr@{k}"] for one in groups.values() if ranking in one
                ],
                name=NAMES[ranking],
                legendgroup=ranking,
                showlegend=column == 1,
                marker_color=STYLES[ranking]["color"],
                hovertemplate=f"HR@{k} = %{{y:.4f}}",
            )
            figure.add_trace(bars, row=1, col=column)
    figure.update_yaxes(title=f"HR@{k} (share of queries)", rangemode="tozero", col=1)
    for column, kind in enumerate(filled, start=1):
        figure.update_xaxes(title=AXES[kind], type="category", col=column)
    return _lay_out(
        figure, f"HR@{k} by slice on {protocol['dataset']} (n: number of positives)"
    )


def plot_nothing(metrics: JsonObject) -> Figure:
    """Return a figure without a metric, whose title says why."""
    from plotly import graph_objects as go

    title = f"Nothing was evaluated on {metrics['dataset']}: nothing is held out"
    return _lay_out(go.Figure(), title)


def _lay_out(figure: Figure, title: str) -> Figure:
    """Return the figure with a title, and the legend at the bottom."""
    return figure.update_layout(
        title=title,
        template="plotly_white",
        legend={"orientation": "h", "yanchor": "top", "y": -0.2},
        margin={"t": 80},
    )
