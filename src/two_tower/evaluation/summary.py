"""Metrics of one evaluation from its tables of ranks and exposure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa

from two_tower.evaluation.rank_tables import Rankings
from two_tower.metrics.accuracy import QueryMetrics, mean_metrics, query_metrics
from two_tower.metrics.baselines import random_order_metrics
from two_tower.metrics.beyond_accuracy import catalogue_metrics
from two_tower.metrics.bootstrap import bootstrap_intervals, paired_difference
from two_tower.metrics.slices import (
    coldness_slices,
    history_slices,
    popularity_slices,
    repetition_slices,
)
from two_tower.types import Int64Array, JsonObject

MODEL: Final = ("exact", "index")
"""Rankings of the model; all others are baselines."""


def summarise_rankings(
    rankings: Rankings,
    among_cold: Rankings,
    exposure: pa.Table,
    *,
    cutoffs: Sequence[int],
    intervals: Mapping[str, Any],
    slices: Mapping[str, Any],
) -> JsonObject:
    """Return all metrics of all rankings.

    Args:
        rankings: ranks of all positives, with the columns of `slice_metrics`.
        among_cold: ranks of cold positives among cold items.
        exposure: one row per item: `n_train`, and `<ranking>@<k>`, the number of lists
            with the item.
        cutoffs: the k.
        intervals: options of `bootstrap_intervals`.
        slices: `history_lengths`, `head` and `mid`.

    Returns:
        `two_tower` and `baselines` (metric means of each ranking), `intervals`,
        `slices` and `among_cold_items`.
    """
    n_train = exposure["n_train"].to_numpy()
    means = {
        name: mean_metrics(metrics) | list_metrics(exposure, name, n_train, cutoffs)
        for name, metrics in metrics_by_query(rankings, cutoffs).items()
    }
    return {
        "two_tower": {name: means.pop(name) for name in MODEL},
        "baselines": means,
        "intervals": intervals_with_cold_items(rankings, cutoffs, **intervals),
        "slices": slice_metrics(rankings, n_train, cutoffs, **slices),
        "among_cold_items": metrics_of_slice(among_cold, cutoffs),
    }


def metrics_by_query(
    rankings: Rankings, cutoffs: Sequence[int]
) -> dict[str, QueryMetrics]:
    """Return the accuracy metrics of each query, by ranking."""
    return {
        name: query_metrics(ranks, cutoffs=cutoffs)
        for name, ranks in rankings.ranks.items()
    }


def random_metrics(rankings: Rankings, cutoffs: Sequence[int]) -> QueryMetrics:
    """Return the expected metrics of each query if its candidates are shuffled.

    Args:
        rankings: with the column `n_candidates`.
        cutoffs: the k.
    """
    return random_order_metrics(
        rankings.n_candidates, rankings.n_positives, cutoffs=cutoffs
    )


def list_metrics(
    exposure: pa.Table, ranking: str, n_train: Int64Array, cutoffs: Sequence[int]
) -> dict[str, float]:
    """Return `coverage@k`, `novelty@k`, `popularity@k` and `gini@k` for each k.

    Args:
        exposure: one row per item: `<ranking>@<k>`, the number of lists with it.
        ranking: name of the ranking.
        n_train: `[N]`, training interactions of each item.
        cutoffs: the k.
    """
    return {
        f"{name}@{k}": value
        for k in cutoffs
        for name, value in catalogue_metrics(
            exposure[f"{ranking}@{k}"].to_numpy(), n_train
        ).items()
    }


def intervals_with_cold_items(
    rankings: Rankings, cutoffs: Sequence[int], **options: Any
) -> JsonObject:
    """Return the intervals over all positives, and over those that are cold items.

    Args:
        rankings: of P positives, with the columns `item_n_train` and `n_candidates`.
        cutoffs: the k.
        options: `resamples`, `confidence` and `seed` of the bootstrap.

    Returns:
        The options, the groups of `metric_intervals`, and, if there are cold
        positives, their groups under `cold_items`, with `over_random`.
    """
    metrics = metrics_by_query(rankings, cutoffs)
    intervals = options | metric_intervals(metrics, **options)
    cold = rankings.keep(rankings.columns["item_n_train"] == 0)
    if not len(cold.items):
        return intervals
    cold_metrics = metrics_by_query(cold, cutoffs)
    cold_metrics["random"] = random_metrics(cold, cutoffs)
    return intervals | {"cold_items": metric_intervals(cold_metrics, **options)}


def metric_intervals(metrics: Mapping[str, QueryMetrics], **options: Any) -> JsonObject:
    """Return bootstrap intervals of the model's metrics and of its differences.

    Args:
        metrics: by ranking, with `exact` and `index` among them.
        options: `resamples`, `confidence` and `seed` of the bootstrap.

    Returns:
        Groups of intervals: `two_tower`, the exact metrics; `over_<baseline>`, exact
        minus baseline; and `lost_through_index`, exact minus index. A group holds
        `mean`, `low` and `high` of every metric that both rankings have.
    """
    groups = {"two_tower": metrics["exact"]}
    for name in metrics.keys() - set(MODEL):
        groups[f"over_{name}"] = paired_difference(metrics["exact"], metrics[name])
    groups["lost_through_index"] = paired_difference(metrics["exact"], metrics["index"])
    return {
        group: {
            name: asdict(interval)
            for name, interval in bootstrap_intervals(values, **options).items()
        }
        for group, values in sorted(groups.items())
    }


def slice_metrics(
    rankings: Rankings,
    n_train: Int64Array,
    cutoffs: Sequence[int],
    *,
    history_lengths: Sequence[int],
    head: float,
    mid: float,
) -> JsonObject:
    """Return `metrics_of_slice` for each slice, by kind of slice.

    Positives are sliced by `repetition` only if a history holds one of them.

    Args:
        rankings: of P positives, with the columns `n_candidates`, `n_seen` (history
            length), `is_repeat` (1 if the history holds the positive), `item_n_train`
            and `user_n_train` (training interactions).
        n_train: `[N]`, training interactions of each item.
        cutoffs: the k.
        history_lengths: least length of each slice, rising from 0.
        head: share of the training interactions in the head.
        mid: share of the training interactions in the mid.
    """
    columns = rankings.columns
    slices = {
        "history_length": history_slices(columns["n_seen"], history_lengths),
        "item_popularity": popularity_slices(
            n_train, rankings.items, head=head, mid=mid
        ),
        "item_coldness": coldness_slices(columns["item_n_train"]),
        "user_coldness": coldness_slices(columns["user_n_train"]),
    }
    if columns["is_repeat"].any():
        slices["repetition"] = repetition_slices(columns["is_repeat"])
    return {
        kind: {
            name: metrics_of_slice(rankings.keep(mask), cutoffs)
            for name, mask in masks.items()
        }
        for kind, masks in slices.items()
    }


def metrics_of_slice(rankings: Rankings, cutoffs: Sequence[int]) -> JsonObject:
    """Return the mean metrics of each ranking over the positives of a slice.

    Args:
        rankings: of these positives and their queries only.
        cutoffs: the k.

    Returns:
        `n_queries`, `n_positives` and, if there is a query, `n_candidates` (mean over
        the queries), the metrics of each ranking, and those of `random`.
    """
    n_positives = rankings.n_positives
    sizes = {"n_queries": len(n_positives), "n_positives": int(n_positives.sum())}
    if not len(n_positives):
        return sizes
    metrics = metrics_by_query(rankings, cutoffs)
    metrics["random"] = random_metrics(rankings, cutoffs)
    return {
        **sizes,
        "n_candidates": float(rankings.n_candidates.mean()),
        **{name: mean_metrics(values) for name, values in metrics.items()},
    }
