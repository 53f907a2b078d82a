"""Evaluation queries: a user's history and the targets that followed."""

from collections.abc import Collection

import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import collect_in_order, or_empty


def build_examples(
    interactions: ir.Table, target: str, history_splits: Collection[str]
) -> ir.Table:
    """Return one query per user with targets.

    Args:
        interactions: one row per interaction: `user` and `item` (int32), `user_id`,
            `timestamp` (int64, seconds), `rating` (float32 or null), `position` (int32,
            unique per user), `split`.
        target: split of the targets, `validation` or `test`.
        history_splits: splits of the history.

    Returns:
        Ordered by user: `user` (int32), `user_id`, the history as `items`
        (array<int32>, oldest first, may be empty), `timestamps` (array<int64>, seconds)
        and `ratings` (array<float32>, null if missing), and `targets` (array<int32>,
        one or more, oldest first) with `target_timestamps` (array<int64>).
    """
    targets = collect_in_order(
        interactions.filter(_.split == target),
        ["user", "user_id"],
        "position",
        {"targets": "item", "target_timestamps": "timestamp"},
    )
    histories = collect_in_order(
        interactions.filter(_.split.isin(list(history_splits))),
        ["user"],
        "position",
        {"items": "item", "timestamps": "timestamp", "ratings": "rating"},
    )
    queries = targets.left_join(histories, "user")
    return queries.select(
        "user",
        "user_id",
        items=or_empty(queries["items"]),
        timestamps=or_empty(queries["timestamps"]),
        ratings=or_empty(queries["ratings"]),
        targets=queries["targets"],
        target_timestamps=queries["target_timestamps"],
    ).order_by("user")
