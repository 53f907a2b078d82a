"""Evaluation queries: a user's history and the targets that followed."""

from collections.abc import Collection

import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import collect_in_order, or_empty


def build_examples(
    interactions: ir.Table,
    target: str,
    history_splits: Collection[str],
    dropped: ir.Table,
) -> ir.Table:
    """Return one query per user with targets.

    Args:
        interactions: one row per interaction: `user` and `item` (int32), `user_id`,
            `timestamp` (int64, seconds), `rating` (float32 or null), `position` (int32,
            unique per user), `split`.
        target: split of the targets, `validation` or `test`.
        history_splits: splits of the history.
        dropped: interactions that the selection dropped: `user` and `item` (int32),
            `timestamp` (int64, seconds; null in data without times).

    Returns:
        Ordered by user: `user` (int32), `user_id`, the history as `items`
        (array<int32>, oldest first, may be empty), `timestamps` (array<int64>, seconds)
        and `ratings` (array<float32>, null if missing), `targets` (array<int32>, one or
        more, oldest first) with `target_timestamps` (array<int64>), and `other_seen`
        (array<int32>, rising): items of dropped interactions before the first target,
        or of all in data without times. The user has seen them, too.
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
    seen = queries.left_join(_collect_seen(dropped, targets), "user")
    return seen.select(
        "user",
        "user_id",
        items=or_empty(seen["items"]),
        timestamps=or_empty(seen["timestamps"]),
        ratings=or_empty(seen["ratings"]),
        targets=seen["targets"],
        target_timestamps=seen["target_timestamps"],
        other_seen=or_empty(seen["other_seen"]),
    ).order_by("user")


def _collect_seen(dropped: ir.Table, targets: ir.Table) -> ir.Table:
    """Return `user` and `other_seen`, see `build_examples`."""
    asked = targets.select("user", asked_at=_.target_timestamps[0])
    pairs = dropped.select("user", "item", "timestamp").inner_join(asked, "user")
    # What happened within the same second may have come later.
    is_earlier = (_.timestamp < _.asked_at) | _.asked_at.isnull()
    earlier = pairs.filter(is_earlier).select("user", "item").distinct()
    return earlier.group_by("user").agg(other_seen=_.item.collect().sort())
