"""What sequencing did to the data, in counts."""

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.types import JsonObject


def count_steps(steps: Mapping[str, ir.Table]) -> list[JsonObject]:
    """Return how many interactions, users and items are left after each step.

    Args:
        steps: name of the step → interactions with `user_id` and `item_id`.
    """
    counts = [
        table.agg(
            place=ibis.literal(place),
            step=ibis.literal(name),
            interactions=_.count(),
            users=_.user_id.nunique(),
            items=_.item_id.nunique(),
        )
        for place, (name, table) in enumerate(steps.items())
    ]
    rows = ibis.union(*counts).order_by("place").drop("place")
    return _rows(rows)


def count_splits(split_interactions: ir.Table) -> dict[str, JsonObject]:
    """Return interactions, users, items, first and last second of each split."""
    counts = split_interactions.group_by("split").agg(
        interactions=_.count(),
        users=_.user_id.nunique(),
        items=_.item_id.nunique(),
        first_timestamp=_.timestamp.min(),
        last_timestamp=_.timestamp.max(),
    )
    return {row.pop("split"): row for row in _rows(counts.order_by("split"))}


def share_of_ties(kept: ir.Table) -> float:
    """Return how many of the users' consecutive pairs share their second.

    Args:
        kept: `user_id`, `position`, `timestamp`.

    Returns:
        A share in [0, 1]; 0 where there is no pair.
    """
    in_order = ibis.window(group_by="user_id", order_by="position")
    ties = kept.select(tie=_.timestamp == _.timestamp.lag().over(in_order))
    (row,) = _rows(ties.agg(share=_.tie.mean()))  # a first position has no pair: null
    return float(row["share"] or 0.0)


def count_sequences(train_sequences: ir.Table) -> JsonObject:
    """Return windows, users and pairs of the training rows, and the longest row.

    `single_items` counts the users with one item, which makes no pair.
    """
    lengths = train_sequences.select(
        "user", n=_["items"].length(), n_pairs=_["targets"].length()
    )
    counts = lengths.agg(
        windows=_.count(),
        users=_.user.nunique(),
        pairs=_.n_pairs.sum(),
        single_items=(_.n_pairs == 0).cast("int64").sum(),
        longest=_.n.max(),
    )
    return _rows(counts.fill_null(0))[0]


def count_examples(examples: ir.Table) -> JsonObject:
    """Return queries, targets, queries without a history and the longest history."""
    lengths = examples.select(
        n_known=_["items"].length(), n_targets=_["targets"].length()
    )
    counts = lengths.agg(
        queries=_.count(),
        targets=_.n_targets.sum(),
        without_history=(_.n_known == 0).cast("int64").sum(),
        longest_history=_.n_known.max(),
    )
    return _rows(counts.fill_null(0))[0]


def count_explicit_negatives(explicit_negatives: ir.Table) -> JsonObject:
    """Return the number of users and of (user, item) pairs among explicit negatives."""
    counts = explicit_negatives.agg(users=_.count(), pairs=_["items"].length().sum())
    return _rows(counts.fill_null(0))[0]


def count_unknown(vocabulary: ir.Table) -> JsonObject:
    """Return how many items or users there are, and how many training never meets."""
    counts = vocabulary.agg(all=_.count(), cold=(_.n_train == 0).cast("int64").sum())
    return _rows(counts.fill_null(0))[0]


def _rows(table: ir.Table) -> list[JsonObject]:
    rows: list[JsonObject] = table.to_pyarrow().to_pylist()
    return rows
