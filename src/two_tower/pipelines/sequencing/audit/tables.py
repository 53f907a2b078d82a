"""What the audit looks at: the outputs as plain rows, and the truth to compare with.

Nothing here calls what made the outputs: the truth is derived from `interactions` in
other ways, so that a mistake there shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.pipelines.sequencing.params import Selection
from two_tower.sequences.expressions import unfold

EVENT = ("user", "place", "item", "timestamp")


@dataclass(frozen=True)
class Evidence:
    """The outputs as rows.

    Events are `user`, `place` (from 0, oldest first), `item` (dense ids) and
    `timestamp` (seconds).

    Attributes:
        truth: one event per interaction that ought to be kept.
        histories: the events of the histories.
        known: by split, the events that its queries know.
        targets: by split, the targets as events; places go on after the known ones.
        training: the events that ought to be trained on, as the examples leave them.
        positions: an event per position of the training windows, with `window` and
            `target` and `target_timestamp`, null for a user's only item.
        trained: `user` and `item` of all that the training windows hold, each
            interaction once.
    """

    truth: ir.Table
    histories: ir.Table
    known: Mapping[str, ir.Table]
    targets: Mapping[str, ir.Table]
    training: ir.Table
    positions: ir.Table
    trained: ir.Table


def gather_evidence(
    tables: Mapping[str, ir.Table], selection: Selection, *, trains_on_queries: bool
) -> Evidence:
    """Unfold the outputs and derive the truth; each table is computed once.

    Args:
        tables: the pipeline's inputs and outputs by name.
        selection: which interactions ought to be kept.
        trains_on_queries: whether what a query knows was trained on.
    """
    ids = tables["item_vocabulary"], tables["user_vocabulary"]
    truth = _dense(kept_in_order(tables["interactions"], selection), *ids)
    lists = {"item_id": "item_ids", "timestamp": "timestamps"}
    histories = unfold(tables["histories"], ["user_id"], lists)
    evidence_of_histories = _computed(_dense(histories, *ids))
    examples = {s: tables[f"{s}_examples"] for s in ("validation", "test")}
    known = {split: _computed(_known(table)) for split, table in examples.items()}
    positions = _computed(_positions(tables["train_sequences"]))
    return Evidence(
        truth=truth,
        histories=evidence_of_histories,
        known=known,
        targets={
            split: _computed(_targets(table)) for split, table in examples.items()
        },
        training=_computed(
            _training(
                evidence_of_histories,
                known,
                examples,
                trains_on_queries=trains_on_queries,
            )
        ),
        positions=positions,
        trained=_trained(positions),
    )


def _computed(events: ir.Table) -> ir.Table:
    # Spark numbers places in int32, which shows once a table is computed.
    return events.cache().cast({"place": "int64"})


def kept_in_order(interactions: ir.Table, selection: Selection) -> ir.Table:
    """Return `user_id`, `place`, `item_id`, `timestamp` of what ought to be kept."""
    rows = interactions
    if selection.min_rating is not None:
        rows = rows.filter(_.rating.fill_null(float("-inf")) >= selection.min_rating)
    if selection.repeats != "all":
        pair = ["user_id", "item_id"]
        for column in ("timestamp", "event_id"):
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
        "user_id", "item_id", "timestamp", place=ibis.row_number().over(order)
    )


def differences(first: ir.Table, second: ir.Table) -> ir.Table:
    """Return the rows that one holds more often than the other, and by how many."""
    columns = first.columns
    both = first.mutate(surplus=1).union(second.select(columns).mutate(surplus=-1))
    return both.group_by(columns).agg(surplus=_.surplus.sum()).filter(_.surplus != 0)


def _dense(events: ir.Table, items: ir.Table, users: ir.Table) -> ir.Table:
    """Return events; an id that its vocabulary lacks becomes null."""
    joined = events.left_join(items.select("item_id", "item"), "item_id").left_join(
        users.select("user_id", "user"), "user_id"
    )
    return joined.select(*EVENT)


def _known(examples: ir.Table) -> ir.Table:
    return unfold(
        examples, ["user"], {"item": "items", "timestamp": "timestamps"}
    ).select(*EVENT)


def _targets(examples: ir.Table) -> ir.Table:
    counted = examples.mutate(n_known=_["items"].length())
    lists = {"item": "targets", "timestamp": "target_timestamps"}
    events = unfold(counted, ["user", "n_known"], lists)
    return events.mutate(place=_.place + _.n_known).select(*EVENT)


def _training(
    histories: ir.Table,
    known: Mapping[str, ir.Table],
    examples: Mapping[str, ir.Table],
    *,
    trains_on_queries: bool,
) -> ir.Table:
    """Return what a user's first query knows; without a query, the whole history."""
    validation, test = examples["validation"], examples["test"]
    rest = histories.anti_join(validation, "user").anti_join(test, "user")
    if not trains_on_queries:
        return rest
    later = known["test"].anti_join(validation, "user")
    return rest.union(known["validation"]).union(later)


def _positions(train_sequences: ir.Table) -> ir.Table:
    lists = {
        "item": "items",
        "timestamp": "timestamps",
        "target": "targets",
        "target_timestamp": "target_timestamps",
    }
    rows = unfold(train_sequences, ["user", "window"], lists)
    order = ibis.window(group_by="user", order_by=["window", "place"])
    return rows.mutate(place=ibis.row_number().over(order))


def _trained(positions: ir.Table) -> ir.Table:
    ends = positions.mutate(last=_.place.max().over(group_by="user"))
    last = ends.filter((_.place == _.last) & _.target.notnull())
    targets = last.select("user", item="target")
    return positions.select("user", "item").union(targets)
