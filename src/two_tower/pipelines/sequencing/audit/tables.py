"""The audited tables: the outputs of sequencing as events, and the expected ones.

The expected events are derived from `interactions` without the code that made the
outputs, so that a bug there shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import unfold
from two_tower.sequences.selection import Selection

EVENT = ("user", "position", "item", "timestamp")


@dataclass(frozen=True)
class Events:
    """The outputs of sequencing, one row per event.

    Events are `user` and `item` (indices), `position` (from 0, oldest first) and
    `timestamp` (seconds).

    Attributes:
        expected: one event per interaction that must be kept.
        histories: events of the histories.
        query_histories: by split, events of the queries' histories.
        targets: by split, the targets as events; their positions follow the history's.
        training: events that must be trained on, derived from the queries.
        windows: one event per position of the training windows, with `window`, `target`
            and `target_timestamp`, null for a user's only item.
        trained: `user` and `item` of all items in the training windows, once per
            interaction.
    """

    expected: ir.Table
    histories: ir.Table
    query_histories: Mapping[str, ir.Table]
    targets: Mapping[str, ir.Table]
    training: ir.Table
    windows: ir.Table
    trained: ir.Table


def read_events(
    tables: Mapping[str, ir.Table],
    selection: Selection,
    *,
    trains_on_histories: bool,
    timed: bool,
) -> Events:
    """Unfold the outputs and derive the expected events; each table is computed once.

    Args:
        tables: the pipeline's inputs and outputs by name.
        selection: which interactions must be kept.
        trains_on_histories: whether queries' histories are in the training.
        timed: whether the data have times.
    """
    ids = tables["item_vocabulary"], tables["user_vocabulary"]
    lists = {"item_id": "item_ids", "timestamp": "timestamps"}
    unfolded = unfold(tables["histories"], ["user_id"], lists)
    histories = _computed(_with_indices(unfolded, *ids))
    examples = {split: tables[f"{split}_examples"] for split in ("validation", "test")}
    query_histories = {
        split: _computed(_query_histories(table)) for split, table in examples.items()
    }
    rest = histories
    for table in examples.values():
        rest = rest.anti_join(table, "user")
    training = (
        _with_query_histories(rest, query_histories, examples["validation"])
        if trains_on_histories
        else rest
    )
    windows = _computed(_windows(tables["train_sequences"]))
    return Events(
        expected=_with_indices(
            kept_in_order(tables["interactions"], selection, timed=timed), *ids
        ),
        histories=histories,
        query_histories=query_histories,
        targets={
            split: _computed(_targets(table)) for split, table in examples.items()
        },
        training=_computed(training),
        windows=windows,
        trained=_trained(windows),
    )


def _computed(events: ir.Table) -> ir.Table:
    # Spark numbers positions in int32, which shows once a table is computed.
    return events.cache().cast({"position": "int64"})


def kept_in_order(
    interactions: ir.Table, selection: Selection, *, timed: bool
) -> ir.Table:
    """Return the interactions that must be kept, with their position.

    Args:
        interactions: all of them, as `Selection.steps` reads them.
        selection: which of them must be kept.
        timed: whether they have times; otherwise they are in the file's order.

    Returns:
        `user_id`, `item_id`, `timestamp` and `position`.
    """
    rows = interactions
    if selection.min_rating is not None:
        rows = rows.filter(_.rating.fill_null(float("-inf")) >= selection.min_rating)
    if selection.repeats != "all":
        pair = ["user_id", "item_id"]
        for column in ("timestamp", "event_id") if timed else ("event_id",):
            extreme = (
                rows[column].min()
                if selection.repeats == "first"
                else rows[column].max()
            )
            ends = rows.group_by(pair).agg(**{column: extreme})
            rows = rows.semi_join(ends, [*pair, column])
    for key, minimum in (
        ("item_id", selection.min_item_interactions),
        ("user_id", selection.min_user_interactions),
    ):
        frequent = rows.group_by(key).agg(n=_.count()).filter(_.n >= minimum)
        rows = rows.semi_join(frequent, key)
    order = ibis.window(group_by="user_id", order_by=["timestamp", "event_id"])
    return rows.select(
        "user_id", "item_id", "timestamp", position=ibis.row_number().over(order)
    )


def differences(first: ir.Table, second: ir.Table) -> ir.Table:
    """Return the rows that one table has more often, and by how many (`surplus`)."""
    columns = first.columns
    more, fewer = (ibis.literal(one, "int64") for one in (1, -1))
    both = first.mutate(surplus=more).union(
        second.select(columns).mutate(surplus=fewer)
    )
    return both.group_by(columns).agg(surplus=_.surplus.sum()).filter(_.surplus != 0)


def _with_indices(events: ir.Table, items: ir.Table, users: ir.Table) -> ir.Table:
    """Return events; ids that a vocabulary lacks have a null index."""
    joined = events.left_join(items.select("item_id", "item"), "item_id").left_join(
        users.select("user_id", "user"), "user_id"
    )
    return joined.select(*EVENT)


def _query_histories(examples: ir.Table) -> ir.Table:
    lists = {"item": "items", "timestamp": "timestamps"}
    return unfold(examples, ["user"], lists).select(*EVENT)


def _targets(examples: ir.Table) -> ir.Table:
    counted = examples.mutate(n_history=_["items"].length())
    lists = {"item": "targets", "timestamp": "target_timestamps"}
    events = unfold(counted, ["user", "n_history"], lists)
    return events.mutate(position=_.position + _.n_history).select(*EVENT)


def _with_query_histories(
    rest: ir.Table, query_histories: Mapping[str, ir.Table], validation: ir.Table
) -> ir.Table:
    """Return the events with the history of each user's first query."""
    test_only = query_histories["test"].anti_join(validation, "user")
    return rest.union(query_histories["validation"]).union(test_only)


def _windows(train_sequences: ir.Table) -> ir.Table:
    lists = {
        "item": "items",
        "timestamp": "timestamps",
        "target": "targets",
        "target_timestamp": "target_timestamps",
    }
    rows = unfold(train_sequences, ["user", "window"], lists)
    order = ibis.window(group_by="user", order_by=["window", "position"])
    return rows.mutate(position=ibis.row_number().over(order))


def _trained(windows: ir.Table) -> ir.Table:
    ends = windows.mutate(last=_.position.max().over(group_by="user"))
    last = ends.filter((_.position == _.last) & _.target.notnull())
    targets = last.select("user", item="target")
    return windows.select("user", "item").union(targets)
