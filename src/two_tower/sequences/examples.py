"""Queries with known answers: what a user did before, and what came then."""

from collections.abc import Collection

import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import collect_in_order, or_empty


def build_examples(
    interactions: ir.Table, split: str, known_splits: Collection[str]
) -> ir.Table:
    """Return one query per user that has targets in `split`.

    Args:
        interactions: one row per interaction: `user` and `item` (int32), `user_id`,
            `timestamp` (int64, seconds), `rating` (float32 or null), `position` (int32,
            unique per user), `split`.
        split: of the targets, `validation` or `test`.
        known_splits: of what the queries look back on.

    Returns:
        Ordered by user: `user` (int32), `user_id`, `items` (array<int32>, all that is
        known of the user then, oldest first; may be empty), `timestamps`
        (array<int64>, seconds) and `ratings` (array<float32>, null where there is none)
        of the items, `targets` (array<int32>, one or more) and `target_timestamps`
        (array<int64>), oldest first.
    """
    targets = collect_in_order(
        interactions.filter(_.split == split),
        ["user", "user_id"],
        "position",
        {"targets": "item", "target_timestamps": "timestamp"},
    )
    known = collect_in_order(
        interactions.filter(_.split.isin(list(known_splits))),
        ["user"],
        "position",
        {"items": "item", "timestamps": "timestamp", "ratings": "rating"},
    )
    queries = targets.left_join(known, "user")
    return queries.select(
        "user",
        "user_id",
        items=or_empty(queries["items"]),
        timestamps=or_empty(queries["timestamps"]),
        ratings=or_empty(queries["ratings"]),
        targets=queries["targets"],
        target_timestamps=queries["target_timestamps"],
    ).order_by("user")
