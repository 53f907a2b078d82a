"""The metrics as Markdown, for a person to decide on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from two_tower.evaluation.markdown import interval, label, table
from two_tower.evaluation.multi_interest import format_interests
from two_tower.types import JsonObject

NAMES: Final = {
    "exact": "two-tower, exact",
    "index": "two-tower, through the index",
    "popularity": "popularity",
    "ease": "EASE",
    "random": "random order",
}

SLICES: Final = {
    "history_length": "By length of the history (items)",
    "item_popularity": "By popularity of the positive",
    "item_coldness": "By whether training has met the positive",
    "user_coldness": "By whether training has met the user",
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


def format_report(metrics: JsonObject, interests: JsonObject) -> str:
    """Return the report.

    Args:
        metrics: as from `compute_metrics`.
        interests: as from `describe_interests`.
    """
    paragraphs = [*_sections(metrics), *format_interests(interests)]
    return "\n\n".join(paragraphs) + "\n"


def format_headline(metrics: JsonObject) -> str:
    """Return one line: the model's headline figures, and the others' beside them."""
    k = metrics["protocol"]["headline"]
    parts = [
        f"{NAMES[name]} {figures[f'hr@{k}']:.4f} / {figures[f'ndcg@{k}']:.4f}"
        for name, figures in rankings_of(metrics).items()
    ]
    told = " (request's time known)" if metrics["protocol"]["request_time"] else ""
    return f"HR@{k} / NDCG@{k}{told}: {', '.join(parts)}"


def _sections(metrics: JsonObject) -> Iterator[str]:
    protocol = metrics["protocol"]
    yield f"# Evaluation on {protocol['dataset']}"
    yield protocol["in_words"]
    yield "The formula of every figure is in `docs/metrics.md`."
    yield from _headline(metrics)
    yield "## All cut-offs"
    for figure in _figures_by_k(protocol):
        yield _figures(metrics, [f"{figure}@{k}" for k in protocol["cutoffs"]])
    yield "## What is recommended"
    k = protocol["headline"]
    yield (
        f"Lists of {k}. Coverage: share of the catalogue shown to anyone; novelty: "
        "bits of self-information; popularity: mean percentile, 0.5 for random items; "
        "Gini: 0 when all items are shown equally often."
    )
    yield _figures(metrics, [f"{figure}@{k}" for figure in CATALOGUE])
    yield from _cold_start(metrics)
    yield from _slices(metrics)


def _figures_by_k(protocol: JsonObject) -> list[str]:
    """Return the figures with a cut-off; recall only where it isn't the hit rate."""
    is_single = protocol["n_positives"] == protocol["n_queries"]
    return ["hr", "ndcg"] if is_single else ["hr", "recall", "ndcg"]


def _headline(metrics: JsonObject) -> Iterator[str]:
    protocol, intervals = metrics["protocol"], metrics["intervals"]
    k, by_k = protocol["headline"], _figures_by_k(protocol)
    yield f"## Headline (k = {k})"
    if "recall" not in by_k:
        yield "Each query has one positive, so recall@k is HR@k."
    if protocol["request_time"]:
        yield (
            "The two-tower's figures are of queries that know when they are asked, the "
            "baselines' are not."
        )
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
    yield _differences(metrics, intervals, headline)


def _cold_start(metrics: JsonObject) -> Iterator[str]:
    """Say how well the items are found that training never met."""
    protocol = metrics["protocol"]
    yield "## Cold items"
    among_all = metrics["slices"]["item_coldness"]["cold"]
    among_cold = metrics["among_cold_items"]
    n_cold, n_items = protocol["n_cold_items"], protocol["n_items"]
    if not among_all["n_queries"]:
        yield (
            f"Training has no interaction with {n_cold:,} of the {n_items:,} items; no "
            "positive is among them."
        )
        return
    yield (
        f"Training has no interaction with {n_cold:,} of the {n_items:,} items, and "
        f"{among_all['n_positives']:,} positives of {among_all['n_queries']:,} queries "
        "are among them. In a random order of a list of N items, each positive is "
        "among the first k with probability k/N. A query with several hits if any of "
        "them is, so there the hit rate of chance is higher, and recall the figure to "
        "compare."
    )
    by_k, rankings = _figures_by_k(protocol), [*rankings_of(metrics), "random"]
    found = [name for name in by_k if name != "ndcg"]
    for figure in found:
        names = [f"{figure}@{k}" for k in protocol["cutoffs"]]
        yield _beside_chance("Ranked among all items", among_all, rankings, names)
    yield (
        "Ranked among cold items only, which have one and the same score by popularity "
        "and by EASE:"
    )
    for figure in found:
        names = [f"{figure}@{k}" for k in protocol["cutoffs"]]
        yield _beside_chance(
            "Ranked among cold items", among_cold, ["exact", "random"], names
        )
    yield "Differences of the exact two-tower over cold items, ranked among all:"
    headline = [f"{figure}@{protocol['headline']}" for figure in by_k]
    yield _differences(metrics, metrics["intervals"]["cold_items"], headline)


def _beside_chance(
    title: str, figures: JsonObject, rankings: Sequence[str], names: Sequence[str]
) -> str:
    """Return a table of some rankings, and how often chance's the first one is."""
    exact, random = figures["exact"], figures["random"]
    return table(
        [f"{title} (N = {figures['n_candidates']:,.1f})", *map(label, names)],
        [
            *(
                [NAMES[ranking], *(f"{figures[ranking][name]:.4f}" for name in names)]
                for ranking in rankings
            ),
            [
                f"{NAMES['exact']}, times random",
                *(f"{exact[name] / random[name]:.1f}" for name in names),
            ],
        ],
    )


def _slices(metrics: JsonObject) -> Iterator[str]:
    protocol = metrics["protocol"]
    k = protocol["headline"]
    yield f"## Slices (HR@{k} / NDCG@{k})"
    yield (
        "A positive keeps its rank among all items; only which ones count changes. "
        "Head: the most popular items, which hold the first "
        f"{protocol['slices']['head']:.0%} of the training interactions; mid: the next "
        f"{protocol['slices']['mid']:.0%}; tail: all others. Cold: without a training "
        "interaction. Listed: items in a query's list, on average."
    )
    rankings = [*rankings_of(metrics), "random"]
    for kind, slices in metrics["slices"].items():
        yield f"### {SLICES[kind]}"
        yield _slice_table(slices, rankings, k)


def _slice_table(slices: JsonObject, rankings: Sequence[str], k: int) -> str:
    """Return a table of one kind of slices, one row per slice that has queries."""
    return table(
        ["", "queries", "positives", "listed", *(NAMES[name] for name in rankings)],
        [
            [
                title,
                f"{figures['n_queries']:,}",
                f"{figures['n_positives']:,}",
                f"{figures['n_candidates']:,.1f}",
                *(
                    f"{figures[name][f'hr@{k}']:.4f} / {figures[name][f'ndcg@{k}']:.4f}"
                    for name in rankings
                ),
            ]
            for title, figures in slices.items()
            if figures["n_queries"]
        ],
    )


def _figures(metrics: JsonObject, names: Sequence[str]) -> str:
    """Return a table of some figures, one row per ranking."""
    return table(
        ["", *map(label, names)],
        [
            [NAMES[ranking], *(f"{figures[name]:.4f}" for name in names)]
            for ranking, figures in rankings_of(metrics).items()
        ],
    )


def _differences(
    metrics: JsonObject, intervals: JsonObject, names: Sequence[str]
) -> str:
    """Return a table of what the exact two-tower is above the others, and the index."""
    others = [*rankings_of(metrics), "random"]
    rows = {
        **{f"over {NAMES[name]}": f"over_{name}" for name in others},
        "lost through the index": "lost_through_index",
    }
    return table(
        ["difference", *map(label, names)],
        [
            [title, *(interval(intervals[group][name]) for name in names)]
            for title, group in rows.items()
            if group in intervals
        ],
    )
