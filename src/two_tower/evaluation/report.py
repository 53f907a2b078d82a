"""The evaluation report in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from two_tower.evaluation.markdown import interval, label, table
from two_tower.evaluation.report_interests import format_interests
from two_tower.types import JsonObject

NAMES: Final = {
    "exact": "two-tower, exact",
    "index": "two-tower, through the index",
    "popularity": "popularity",
    "ease": "EASE",
    "random": "random order",
}

SLICES: Final = {
    "history_length": "By history length (items)",
    "item_popularity": "By popularity of the positive",
    "item_coldness": "By coldness of the positive",
    "user_coldness": "By coldness of the user",
    "repetition": "By whether the history holds the positive",
}

LIST_METRICS: Final = ("coverage", "novelty", "popularity", "gini")


def rankings_of(metrics: JsonObject) -> dict[str, Mapping[str, float]]:
    """Return the metrics of each ranking, the model's first, without skipped ones."""
    baselines = {
        name: means
        for name, means in metrics["baselines"].items()
        if "skipped" not in means
    }
    return {**metrics["two_tower"], **baselines}


def format_report(metrics: JsonObject, interests: JsonObject, training: str) -> str:
    """Return the report.

    Args:
        metrics: from the node `compute_metrics`.
        interests: from the node `describe_interests`.
        training: sentences on the training of the model.
    """
    paragraphs = [*_sections(metrics, training), *format_interests(interests)]
    return "\n\n".join(paragraphs) + "\n"


def format_headline(metrics: JsonObject) -> str:
    """Return one line with the headline metrics of all rankings."""
    k = metrics["protocol"]["headline"]
    parts = [
        f"{NAMES[name]} {means[f'hr@{k}']:.4f} / {means[f'ndcg@{k}']:.4f}"
        for name, means in rankings_of(metrics).items()
    ]
    note = " (request time known)" if metrics["protocol"]["request_time"] else ""
    return f"HR@{k} / NDCG@{k}{note}: {', '.join(parts)}"


def format_refit(
    metrics: JsonObject, *, n_epochs: int, n_before: int, n_after: int, start: str
) -> str:
    """Return the report of a refit in Markdown.

    Args:
        metrics: from the node `compute_metrics`, of the model before the refit.
        n_epochs: epochs of the refit.
        n_before: training interactions of the evaluated model.
        n_after: training interactions of the refit.
        start: `scratch`, or `warm` for the evaluated model's weights.
    """
    weights = {"scratch": "new weights", "warm": "the evaluated model's weights"}
    return (
        f"# Refit on {metrics['protocol']['dataset']}\n\n"
        f"The deployed query tower, item index and recommendations are of a model that "
        f"was trained for {n_epochs} epochs, from {weights[start]}, on all {n_after:,} "
        f"interactions: the {n_before:,} training interactions of the evaluated model "
        f"and the {n_after - n_before:,} that were held out from it.\n\n"
        "Nothing is held out from it, so it has no metrics. Those of the evaluated "
        f"model, before the refit (report.md): {format_headline(metrics)}.\n"
    )


def _sections(metrics: JsonObject, training: str) -> Iterator[str]:
    protocol = metrics["protocol"]
    yield f"# Evaluation on {protocol['dataset']}"
    yield protocol["in_words"]
    yield training
    yield "`docs/metrics.md` gives the formula of each metric."
    yield from _headline(metrics)
    yield "## All cut-offs"
    for name in _accuracy_metrics(protocol):
        yield _metric_table(metrics, _at_cutoffs(name, protocol))
    yield "## Recommended items"
    k = protocol["headline"]
    yield (
        f"Lists of {k} items. Coverage: share of the catalogue in at least one list; "
        "novelty: mean self-information in bits; popularity: mean percentile, 0.5 for "
        "random items; Gini: 0 if all items are recommended equally often."
    )
    yield _metric_table(metrics, [f"{name}@{k}" for name in LIST_METRICS])
    yield from _cold_items(metrics)
    yield from _slices(metrics)


def _accuracy_metrics(protocol: JsonObject) -> list[str]:
    """Return the metrics with a cut-off; recall only if it differs from hit rate."""
    is_single = protocol["n_positives"] == protocol["n_queries"]
    return ["hr", "ndcg"] if is_single else ["hr", "recall", "ndcg"]


def _at_cutoffs(name: str, protocol: JsonObject) -> list[str]:
    return [f"{name}@{k}" for k in protocol["cutoffs"]]


def _headline(metrics: JsonObject) -> Iterator[str]:
    protocol, intervals = metrics["protocol"], metrics["intervals"]
    k, accuracy = protocol["headline"], _accuracy_metrics(protocol)
    yield f"## Headline (k = {k})"
    if "recall" not in accuracy:
        yield "Each query has one positive, so recall@k equals HR@k."
    if protocol["request_time"]:
        yield "The two-tower knows the time of the request; the baselines do not."
    headline = [*(f"{name}@{k}" for name in accuracy), "mrr"]
    yield _metric_table(metrics, headline)
    for name, means in metrics["baselines"].items():
        if "skipped" in means:
            yield f"{NAMES[name]} was skipped: {means['skipped']}."
    yield (
        f"Differences of the exact two-tower, with {intervals['confidence']:.0%} "
        f"intervals from {intervals['resamples']:,} paired bootstrap resamples of the "
        "queries. A difference whose interval excludes 0 holds beyond this sample of "
        "queries."
    )
    yield _difference_table(metrics, intervals, headline)


def _cold_items(metrics: JsonObject) -> Iterator[str]:
    """Yield the section on items without a training interaction."""
    protocol = metrics["protocol"]
    yield "## Cold items"
    among_all = metrics["slices"]["item_coldness"]["cold"]
    sizes = (
        f"{protocol['n_cold_items']:,} of the {protocol['n_items']:,} items have no "
        "training interaction"
    )
    if not among_all["n_queries"]:
        yield f"{sizes}; none of them is a positive."
        return
    yield (
        f"{sizes}. They are {among_all['n_positives']:,} positives of "
        f"{among_all['n_queries']:,} queries. In a random order of N candidates a "
        "positive is in the top k with probability k/N. Several positives per query "
        "raise the hit rate of a random order, so compare recall there."
    )
    accuracy, rankings = _accuracy_metrics(protocol), [*rankings_of(metrics), "random"]
    without_ndcg = [_at_cutoffs(name, protocol) for name in accuracy if name != "ndcg"]
    for names in without_ndcg:
        yield _random_order_table("Ranked among all items", among_all, rankings, names)
    yield (
        "Ranked among cold items only. Popularity and EASE give all of these the same "
        "score:"
    )
    among_cold = metrics["among_cold_items"]
    for names in without_ndcg:
        yield _random_order_table(
            "Ranked among cold items", among_cold, ["exact", "random"], names
        )
    yield "Differences of the exact two-tower for cold positives among all items:"
    headline = [f"{name}@{protocol['headline']}" for name in accuracy]
    yield _difference_table(metrics, metrics["intervals"]["cold_items"], headline)


def _random_order_table(
    title: str, means: JsonObject, rankings: Sequence[str], names: Sequence[str]
) -> str:
    """Return a table of some rankings, and the ratio of exact to random order."""
    exact, random = means["exact"], means["random"]
    return table(
        [f"{title} (N = {means['n_candidates']:,.1f})", *map(label, names)],
        [
            *(
                [NAMES[ranking], *(f"{means[ranking][name]:.4f}" for name in names)]
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
        "A slice is a subset of the positives, each with its rank among all items. "
        "Head: the most popular items, with the first "
        f"{protocol['slices']['head']:.0%} of the training interactions; mid: the next "
        f"{protocol['slices']['mid']:.0%}; tail: the rest. Cold: without a training "
        "interaction. Candidates: ranked items per query, on average."
    )
    rankings = [*rankings_of(metrics), "random"]
    for kind, slices in metrics["slices"].items():
        yield f"### {SLICES[kind]}"
        yield _slice_table(slices, rankings, k)


def _slice_table(slices: JsonObject, rankings: Sequence[str], k: int) -> str:
    """Return a table of one kind of slice, one row per slice that has queries."""
    return table(
        ["", "queries", "positives", "candidates", *(NAMES[name] for name in rankings)],
        [
            [
                title,
                f"{means['n_queries']:,}",
                f"{means['n_positives']:,}",
                f"{means['n_candidates']:,.1f}",
                *(
                    f"{means[name][f'hr@{k}']:.4f} / {means[name][f'ndcg@{k}']:.4f}"
                    for name in rankings
                ),
            ]
            for title, means in slices.items()
            if means["n_queries"]
        ],
    )


def _metric_table(metrics: JsonObject, names: Sequence[str]) -> str:
    """Return a table of some metrics, one row per ranking."""
    return table(
        ["", *map(label, names)],
        [
            [NAMES[ranking], *(f"{means[name]:.4f}" for name in names)]
            for ranking, means in rankings_of(metrics).items()
        ],
    )


def _difference_table(
    metrics: JsonObject, intervals: JsonObject, names: Sequence[str]
) -> str:
    """Return a table of differences: exact minus baselines, and exact minus index."""
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
