"""All figures of one evaluation, out of ranks and counts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

import pyarrow as pa

from two_tower.evaluation.rank_tables import Rankings
from two_tower.metrics.accuracy import Figures, mean_figures, query_figures
from two_tower.metrics.baselines import random_figures
from two_tower.metrics.beyond_accuracy import catalogue_figures
from two_tower.metrics.bootstrap import bootstrap_intervals, paired_difference
from two_tower.metrics.slices import (
    coldness_slices,
    history_slices,
    popularity_slices,
)
from two_tower.types import Int64Array, JsonObject

MODEL: Final = ("exact", "index")
"""The rankings of the model; all others are what it is compared with."""


def figures_by_query(rankings: Rankings, cutoffs: Sequence[int]) -> dict[str, Figures]:
    """Return `[B]` of each figure of each ranking."""
    return {
        name: query_figures(ranks, cutoffs=cutoffs)
        for name, ranks in rankings.ranks.items()
    }


def figures_by_chance(rankings: Rankings, cutoffs: Sequence[int]) -> Figures:
    """Return `[B]` of each figure, as lists of the same items in random order have it.

    Args:
        rankings: with `n_candidates`, how many items each query's list holds.
        cutoffs: the k.
    """
    return random_figures(rankings.n_candidates, rankings.n_positives, cutoffs=cutoffs)


def figures_of_lists(
    exposure: pa.Table, ranking: str, n_train: Int64Array, cutoffs: Sequence[int]
) -> dict[str, float]:
    """Return `coverage@k`, `novelty@k`, `popularity@k` and `gini@k` for each k.

    Args:
        exposure: one row per item: `<ranking>@<k>`, in how many lists it is.
        ranking: whose lists.
        n_train: `[N]`, training interactions of each item.
        cutoffs: the k.
    """
    return {
        f"{name}@{k}": value
        for k in cutoffs
        for name, value in catalogue_figures(
            exposure[f"{ranking}@{k}"].to_numpy(), n_train
        ).items()
    }


def intervals_with_cold_items(
    rankings: Rankings, cutoffs: Sequence[int], **settings: Any
) -> JsonObject:
    """Return `intervals_of` all queries, and of the positives that are cold items.

    Args:
        rankings: of P positives, with `item_n_train` and `n_candidates`.
        cutoffs: the k.
        settings: of the bootstrap: `resamples`, `confidence` and `seed`.

    Returns:
        The settings, the intervals over all queries, and as `cold_items`, where there
        are any, those over cold items, with `over_random` among them.
    """
    figures = figures_by_query(rankings, cutoffs)
    intervals = settings | intervals_of(figures, **settings)
    cold = rankings.keep(rankings.facts["item_n_train"] == 0)
    if not len(cold.items):
        return intervals
    of_cold = figures_by_query(cold, cutoffs)
    of_cold["random"] = figures_by_chance(cold, cutoffs)
    return intervals | {"cold_items": intervals_of(of_cold, **settings)}


def intervals_of(
    figures: Mapping[str, Figures], *, resamples: int, confidence: float, seed: int
) -> JsonObject:
    """Return bootstrap intervals of the model's figures, and of its differences.

    Args:
        figures: of `exact`, `index` and what they are compared with, query by query.
        resamples: how often the queries are drawn.
        confidence: share of the resamples inside an interval.
        seed: of the draws.

    Returns:
        `two_tower`, the exact figures; `over_<other>`, by how much they are above
        another ranking's; and `lost_through_index`. Each holds `mean`, `low` and `high`
        of every figure that both have.
    """
    groups = {"two_tower": figures["exact"]}
    for name in figures.keys() - set(MODEL):
        groups[f"over_{name}"] = paired_difference(figures["exact"], figures[name])
    groups["lost_through_index"] = paired_difference(figures["exact"], figures["index"])
    measure = partial(
        bootstrap_intervals, resamples=resamples, confidence=confidence, seed=seed
    )
    return {
        group: {name: asdict(interval) for name, interval in measure(values).items()}
        for group, values in sorted(groups.items())
    }


def figures_of_slices(
    rankings: Rankings,
    n_train: Int64Array,
    cutoffs: Sequence[int],
    *,
    history_lengths: Sequence[int],
    head: float,
    mid: float,
) -> JsonObject:
    """Return `figures_of_slice` of each slice, by what they go by.

    Args:
        rankings: of P positives, with `n_candidates`, `n_seen` (the length of the
            history), `item_n_train` and `user_n_train` (training interactions).
        n_train: `[N]`, training interactions of each item.
        cutoffs: the k.
        history_lengths: the shortest of each group, rising from 0.
        head: share of the training interactions that the head holds.
        mid: share that the mid holds.
    """
    facts = rankings.facts
    slices = {
        "history_length": history_slices(facts["n_seen"], history_lengths),
        "item_popularity": popularity_slices(
            n_train, rankings.items, head=head, mid=mid
        ),
        "item_coldness": coldness_slices(facts["item_n_train"]),
        "user_coldness": coldness_slices(facts["user_n_train"]),
    }
    return {
        kind: {
            name: figures_of_slice(rankings.keep(mask), cutoffs)
            for name, mask in masks.items()
        }
        for kind, masks in slices.items()
    }


def figures_of_slice(rankings: Rankings, cutoffs: Sequence[int]) -> JsonObject:
    """Return the mean figures of each ranking over some of the positives.

    Args:
        rankings: of these positives and their queries alone.
        cutoffs: the k.

    Returns:
        `n_queries`, `n_positives`, and if there is a query `n_candidates` (items in a
        list, on average over the queries), each ranking's figures, and `random`.
    """
    n_positives = rankings.n_positives
    sizes = {"n_queries": len(n_positives), "n_positives": int(n_positives.sum())}
    if not len(n_positives):
        return sizes
    figures = figures_by_query(rankings, cutoffs)
    figures["random"] = figures_by_chance(rankings, cutoffs)
    return {
        **sizes,
        "n_candidates": float(rankings.n_candidates.mean()),
        **{name: mean_figures(values) for name, values in figures.items()},
    }
