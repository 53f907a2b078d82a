"""Whether interactions have times, and what follows where they have none."""

import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.selection import Order
from two_tower.sequences.splits import Split


def has_times(interactions: ir.Table) -> bool:
    """Return whether the interactions have times.

    Args:
        interactions: `timestamp` (int64, seconds), null in every row of data without
            times.

    Returns:
        False if every row is null; true for a table without rows.

    Raises:
        ValueError: some rows have a time and others have none.
    """
    counted = interactions.agg(rows=_.count(), times=_.timestamp.count())
    (row,) = counted.to_pyarrow().to_pylist()
    if 0 < row["times"] < row["rows"]:
        raise ValueError(
            f"{row['rows'] - row['times']} of {row['rows']} interactions have no time; "
            "give all of them one, or declare that there are none: "
            "ingestion.columns.interactions.timestamp: null"
        )
    return bool(row["times"] or not row["rows"])


def describe_order(order: Order) -> str:
    """Return how the interactions of data without times are ordered, in words."""
    if order.without_times == "file_order":
        return (
            "each user's interactions are in the order of the file "
            "(sequencing.order.without_times), taken for that of time"
        )
    return (
        f"each user's interactions are in a random order, seed {order.seed} "
        "(sequencing.order), and no metric says anything about the next item in time"
    )


def require_stable_order(order: Order, split: Split, *, timed: bool) -> None:
    """Refuse to retrain where new interactions fall between deployed ones.

    Args:
        order: of the interactions.
        split: how interactions are held out.
        timed: whether the data have times.

    Raises:
        ValueError: the order is random, and the split holds something out.
    """
    is_random = not timed and order.without_times == "shuffled"
    if is_random and split.chosen.holds_out:
        raise ValueError(
            "the data have no times and sequencing.order.without_times is shuffled, a "
            "random order, which changes when the data grow: retraining would be "
            "evaluated on interactions that the deployed towers were trained on. "
            "Retrain with sequencing.split.kind: none, or train a new model: kedro run"
        )
