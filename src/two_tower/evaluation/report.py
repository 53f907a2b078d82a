"""The metrics as Markdown, for a person to decide on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from two_tower.types import JsonObject

NAMES: Final = {
    "exact": "two-tower, exact",
    "index": "two-tower, through the index",
    "popularity": "popularity",
    "ease": "EASE",
}

SLICES: Final = {
    "history_length": "By length of the history (items)",
    "item_popularity": "By popularity of the positive",
    "coldness": "By whether training has met the positive",
}

CATALOGUE: Final = ("coverage", "novelty", "popularity", "gini")


def rankings_of(metrics: JsonObject) -> dict[str, Mapping[str, float]]:
    """Return the figures of each ranking that was measured, the model's first."""
    measured = {
        name: figures
        for name, figures in metrics["baselines"].items()
        if "skipped" not in figures
    }
    return {**metrics["two_tower"], **measured}


def format_report(metrics: JsonObject) -> str:
    """Return the report.

    Args:
        metrics: as from `compute_metrics`.
    """
    return "\n\n".join(_sections(metrics)) + "\n"


def format_headline(metrics: JsonObject) -> str:
    """Return one line: the model's headline figures, and the others' beside them."""
    k = metrics["protocol"]["headline"]
    parts = [
        f"{NAMES[name]} {figures[f'hr@{k}']:.4f} / {figures[f'ndcg@{k}']:.4f}"
        for name, figures in rankings_of(metrics).items()
    ]
    return f"HR@{k} / NDCG@{k}: {', '.join(parts)}"


def _sections(metrics: JsonObject) -> Iterator[str]:
    protocol, intervals = metrics["protocol"], metrics["intervals"]
    k, cutoffs = protocol["headline"], protocol["cutoffs"]
    yield f"# Evaluation on {protocol['dataset']}"
    yield protocol["in_words"]
    yield "The formula of every figure is in `docs/metrics.md`."

    yield f"## Headline (k = {k})"
    by_k = ["hr", "ndcg"]
    if protocol["n_positives"] == protocol["n_queries"]:
        yield "Each query has one positive, so recall@k is HR@k."
    else:
        by_k.insert(1, "recall")
    headline = [*(f"{figure}@{k}" for figure in by_k), "mrr"]
    yield _figures(metrics, headline)
    for name, figures in metrics["baselines"].items():
        if "skipped" in figures:
            yield f"{NAMES[name]} was left out: {figures['skipped']}."
    yield (
        f"Differences of the exact two-tower, with {intervals['confidence']:.0%} "
        f"intervals from {intervals['resamples']:,} paired bootstrap resamples of the "
        "queries. An interval without 0 is a difference that other users of the same "
        "kind would show, too."
    )
    differences = {
        **{f"over {NAMES[name]}": f"over_{name}" for name in _baselines(metrics)},
        "lost through the index": "lost_through_index",
    }
    yield _table(
        ["difference", *map(_label, headline)],
        [
            [title, *(_interval(intervals[group][name]) for name in headline)]
            for title, group in differences.items()
        ],
    )

    yield "## All cut-offs"
    for figure in by_k:
        yield _figures(metrics, [f"{figure}@{cutoff}" for cutoff in cutoffs])
    yield "## What is recommended"
    yield (
        f"Lists of {k}. Coverage: share of the catalogue shown to anyone; novelty: "
        "bits of self-information; popularity: mean percentile, 0.5 for random items; "
        "Gini: 0 when all items are shown equally often."
    )
    yield _figures(metrics, [f"{figure}@{k}" for figure in CATALOGUE])

    yield f"## Slices (HR@{k} / NDCG@{k})"
    yield (
        "A positive keeps its rank among all items; only which ones count changes. "
        "Head: the most popular items, which hold the first "
        f"{protocol['slices']['head']:.0%} of the training interactions; mid: the next "
        f"{protocol['slices']['mid']:.0%}; tail: all others. Cold: without a training "
        "interaction."
    )
    for kind, slices in metrics["slices"].items():
        yield f"### {SLICES[kind]}"
        yield _slices(slices, list(rankings_of(metrics)), k)


def _baselines(metrics: JsonObject) -> list[str]:
    return [name for name in metrics["baselines"] if name in rankings_of(metrics)]


def _figures(metrics: JsonObject, names: Sequence[str]) -> str:
    """Return a table of some figures, one row per ranking."""
    return _table(
        ["", *map(_label, names)],
        [
            [NAMES[ranking], *(f"{figures[name]:.4f}" for name in names)]
            for ranking, figures in rankings_of(metrics).items()
        ],
    )


def _slices(slices: JsonObject, rankings: Sequence[str], k: int) -> str:
    """Return a table of one kind of slices, one row per slice that has queries."""
    return _table(
        ["", "queries", "positives", *(NAMES[name] for name in rankings)],
        [
            [
                title,
                f"{figures['n_queries']:,}",
                f"{figures['n_positives']:,}",
                *(
                    f"{figures[name][f'hr@{k}']:.4f} / {figures[name][f'ndcg@{k}']:.4f}"
                    for name in rankings
                ),
            ]
            for title, figures in slices.items()
            if figures["n_queries"]
        ],
    )


def _label(figure: str) -> str:
    """Return the name of a figure as it is written: `hr@10` → `HR@10`."""
    name, at, k = figure.partition("@")
    written = name.upper() if name in {"hr", "ndcg", "mrr"} else name.capitalize()
    return f"{written}{at}{k}"


def _interval(interval: Mapping[str, float]) -> str:
    low, high = interval["low"], interval["high"]
    return f"{interval['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left, numbers to the right."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
