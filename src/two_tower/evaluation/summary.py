"""All figures of one evaluation, out of ranks and counts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
import pyarrow as pa

from two_tower.evaluation.tables import Rankings
from two_tower.metrics.catalogue import catalogue_figures
from two_tower.metrics.intervals import bootstrap_intervals, paired_difference
from two_tower.metrics.ranking import Figures, mean_figures, query_figures
from two_tower.metrics.slices import (
    Counts,
    Mask,
    coldness_slices,
    history_slices,
    popularity_slices,
)
from two_tower.ragged import Ragged
from two_tower.types import JsonObject

MODEL = ("exact", "index")
"""The rankings of the model; all others are baselines."""


def figures_of_lists(
    exposure: pa.Table, ranking: str, n_train: Counts, cutoffs: Sequence[int]
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


def intervals_of(
    figures: Mapping[str, Figures], *, resamples: int, confidence: float, seed: int
) -> JsonObject:
    """Return bootstrap intervals of the model's figures, and of its differences.

    Args:
        figures: of `exact`, `index` and the baselines, query by query.
        resamples: how often the queries are drawn.
        confidence: share of the resamples inside an interval.
        seed: of the draws.

    Returns:
        The three settings; `two_tower`, the exact figures; `over_<baseline>`, by how
        much they are above a baseline's; and `lost_through_index`. Each holds `mean`,
        `low` and `high` of every figure.
    """
    groups = {"two_tower": figures["exact"]}
    for name in figures.keys() - set(MODEL):
        groups[f"over_{name}"] = paired_difference(figures["exact"], figures[name])
    groups["lost_through_index"] = paired_difference(figures["exact"], figures["index"])
    measure = partial(
        bootstrap_intervals, resamples=resamples, confidence=confidence, seed=seed
    )
    settings = {"resamples": resamples, "confidence": confidence, "seed": seed}
    return settings | {
        group: {name: asdict(interval) for name, interval in measure(values).items()}
        for group, values in sorted(groups.items())
    }


def figures_of_slices(
    rankings: Rankings,
    n_train: Counts,
    cutoffs: Sequence[int],
    *,
    history_lengths: Sequence[int],
    head: float,
    mid: float,
) -> JsonObject:
    """Return `figures_of_slice` of each slice, by what they go by.

    Args:
        rankings: of P positives, with `n_seen`, the length of the history before each.
        n_train: `[N]`, training interactions of each item.
        cutoffs: the k.
        history_lengths: the shortest of each group, rising from 0.
        head: share of the training interactions that the head holds.
        mid: share that the mid holds.
    """
    items = rankings.items
    slices = {
        "history_length": history_slices(rankings.facts["n_seen"], history_lengths),
        "item_popularity": popularity_slices(n_train, items, head=head, mid=mid),
        "coldness": coldness_slices(n_train, items),
    }
    return {
        kind: {
            name: figures_of_slice(rankings.ranks, mask, cutoffs)
            for name, mask in masks.items()
        }
        for kind, masks in slices.items()
    }


def figures_of_slice(
    ranks: Mapping[str, Ragged], mask: Mask, cutoffs: Sequence[int]
) -> JsonObject:
    """Return the mean figures of each ranking over some of the positives.

    A positive keeps its rank among all items. A query counts if one of its positives
    does, and for the others of its positives nothing is expected of it.

    Args:
        ranks: of each ranking, one row per query, P ranks in all.
        mask: `[P]`, the positives that count.
        cutoffs: the k.

    Returns:
        `n_queries`, `n_positives`, and each ranking's figures, if there is a query.
    """
    kept = {name: _without_empty_rows(rows.keep(mask)) for name, rows in ranks.items()}
    sizes = {"n_queries": len(kept["exact"]), "n_positives": int(mask.sum())}
    if not mask.any():
        return sizes
    return sizes | {
        name: mean_figures(query_figures(rows, cutoffs=cutoffs))
        for name, rows in kept.items()
    }


def _without_empty_rows(rows: Ragged) -> Ragged:
    return rows.take(np.flatnonzero(rows.lengths))
