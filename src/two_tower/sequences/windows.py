"""Training rows: windows of histories that hold each (item, next item) pair once."""

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import collect_in_order


def cut_windows(training: ir.Table, size: int) -> ir.Table:
    """Cut each user's training history into windows, from its end.

    A user's n items make n - 1 pairs. Each window has `size` pairs; only the oldest may
    have fewer. A window starts with the last target of the one before.

    Args:
        training: one row per interaction: `user`, `item` (int32), `timestamp` (int64,
            seconds, or null), `rating` (float32 or null), `position` (int32, unique per
            user, ascending in time).
        size: maximum pairs per window, 1 or more.

    Returns:
        One row per window, ordered by user and window: `user` (int32), `window`
        (int32, from 0 with the oldest), `items` (array<int32>), their `timestamps`
        (array<int64>) and `ratings` (array<float32>, null if missing), `targets`
        (array<int32>, the item after each) and `target_timestamps` (array<int64>). A
        user's only item is a window without a target.
    """
    in_time = ibis.window(group_by="user", order_by="position")
    ranked = training.mutate(
        target=_.item.lead().over(in_time),
        target_timestamp=_.timestamp.lead().over(in_time),
        _rank=ibis.row_number().over(in_time),
        _last=_.item.count().over(group_by="user") - 2,  # rank of the last pair
    )
    pairs = ranked.filter(_.target.notnull() | (_["_last"] < 0))
    from_end = (pairs["_last"] - pairs["_rank"]) // size
    numbered = pairs.mutate(window=(pairs["_last"] // size - from_end).cast("int32"))
    lists = {
        "items": "item",
        "timestamps": "timestamp",
        "ratings": "rating",
        "targets": "target",
        "target_timestamps": "target_timestamp",
    }
    windows = collect_in_order(numbered, ["user", "window"], "position", lists)
    # Times of real targets may be null too, so their number is that of the targets.
    targets = windows.targets.filter(lambda value: value.notnull())
    times = windows.target_timestamps[: targets.length()]
    return windows.mutate(targets=targets, target_timestamps=times).order_by(
        "user", "window"
    )
