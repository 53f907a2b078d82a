"""Audit checks that hold for every kind of split; each returns its violations."""

from collections.abc import Mapping
from typing import Any, Final

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import unfold
from two_tower.types import FIRST_ID

from .tables import EVENT, Events, differences

LARGEST_MEAN: Final = 1e-3
"""Greatest mean of a standardised float32 column over the training data."""


def empty_outputs(tables: Mapping[str, ir.Table], *, holds_out: bool) -> ir.Table:
    """Outputs without a row, of those that training and evaluation need.

    Args:
        tables: the outputs by name.
        holds_out: whether there must be test queries.
    """
    names = ("train_sequences", "test_examples") if holds_out else ("train_sequences",)
    rows = [
        tables[name].agg(n=_.count()).select("n", empty=ibis.literal(name, "string"))
        for name in names
    ]
    return ibis.union(*rows).filter(_.n == 0)


def wrong_histories(events: Events, *, handling: str) -> ir.Table:
    """Histories that differ from the interactions that must be kept.

    Args:
        events: as from `read_events`.
        handling: whether the file's order must be kept where times decide nothing,
            `file_order`.
    """
    if handling == "file_order":
        return differences(events.expected, events.histories)
    unordered = [column for column in EVENT if column != "position"]
    shuffled = differences(
        events.expected.select(unordered), events.histories.select(unordered)
    )
    return shuffled.select("user").union(_out_of_order(events.histories))


def _out_of_order(events: ir.Table) -> ir.Table:
    in_order = ibis.window(group_by="user", order_by="position")
    before = events.mutate(before=_.timestamp.lag().over(in_order))
    return before.filter(_.before > _.timestamp).select("user")


def wrong_indices(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Indices that are not 2, 3, … in order of the ids.

    In a vocabulary that has grown, deployed ids must keep their index, and new ones
    follow in their order.
    """
    used = unfold(tables["histories"], ["user_id"], {"item_id": "item_ids"})
    wrong = []
    for entity in ("item", "user"):
        key = f"{entity}_id"
        vocabulary = tables[f"{entity}_vocabulary"].select(entity, key)
        deployed = tables.get(f"deployed_{entity}s", vocabulary.limit(0)).select(
            entity, key
        )
        new = vocabulary.anti_join(deployed, key)
        first = FIRST_ID + int(deployed.count().execute())
        by_id = ibis.row_number().over(order_by=[key, entity]) + first
        misplaced = new.mutate(expected=by_id).filter(_[entity] != _.expected)
        repeated = vocabulary.group_by(key).agg(n=_.count()).filter(_.n > 1)
        expected = used.select(key).union(deployed.select(key)).distinct()
        wrong += [
            _named(table, key)
            for table in (
                misplaced,
                repeated,
                deployed.anti_join(vocabulary, [entity, key]),
                expected.anti_join(vocabulary, key),
                vocabulary.anti_join(expected, key),
            )
        ]
    return ibis.union(*wrong)


def _named(rows: ir.Table, key: str) -> ir.Table:
    return rows.select(column=ibis.literal(key, "string"), value=_[key].cast("string"))


def unsound_examples(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Queries without a target, with lists of unlike lengths, or of another user."""
    users = tables["user_vocabulary"].select("user", expected="user_id")
    wrong = []
    for split in ("validation", "test"):
        examples = tables[f"{split}_examples"]
        own = examples.mutate(n=_.user.count().over(group_by="user"))
        joined = own.left_join(users, "user")
        faulty = joined.filter(
            (_.n != 1)
            | (_["targets"].length() < 1)
            | (_["targets"].length() != _["target_timestamps"].length())
            | (_["items"].length() != _["timestamps"].length())
            | (_["items"].length() != _["ratings"].length())
            | (_.expected != _.user_id).fill_null(True)  # noqa: FBT003
        )
        wrong.append(faulty.select("user", split=ibis.literal(split, "string")))
    return ibis.union(*wrong)


def wrong_windows(train_sequences: ir.Table, size: int) -> ir.Table:
    """Windows of another length than `size`, or not numbered 0, 1, …."""
    rank = ibis.row_number().over(group_by="user", order_by="window")
    lengths = train_sequences.mutate(
        expected=rank, n=_["items"].length(), n_targets=_["targets"].length()
    )
    return lengths.filter(
        (_.window != _.expected)
        | (_.n < 1)
        | (_.n > size)
        | ((_.window > 0) & (_.n != size))
        | ((_.n_targets != _.n) & ((_.n > 1) | (_.n_targets > 0)))
        | (_.n != _["timestamps"].length())
        | (_.n != _["ratings"].length())
        | (_.n_targets != _["target_timestamps"].length())
    ).select("user", "window", "n")


def wrong_pairs(events: Events) -> ir.Table:
    """Training pairs that differ from those of the events that must be trained on.

    A user's only item is a pair without a target.
    """
    in_order = ibis.window(group_by="user", order_by="position")
    expected = events.training.mutate(
        target=_["item"].lead().over(in_order),
        target_timestamp=_.timestamp.lead().over(in_order),
        n=_.count().over(group_by="user"),
    )
    columns = [*EVENT, "target", "target_timestamp"]
    return differences(
        expected.filter(_.target.notnull() | (_.n == 1)).select(columns),
        events.windows.select(columns),
    )


def wrong_queries(
    events: Events, *, in_time: bool, test_has_validation: bool
) -> ir.Table:
    """Queries whose history and targets are not the user's history, in its order.

    A test query covers the whole history, or all but the validation targets; a
    validation query covers all but the test targets.

    Args:
        events: as from `read_events`.
        in_time: whether targets follow the query's history in time. Otherwise the
            events are compared without their positions, and only a query's history and
            targets must each be in order of time.
        test_has_validation: whether the history of a test query has the validation
            targets.
    """
    past, targets = events.query_histories, events.targets
    columns = list(EVENT) if in_time else [c for c in EVENT if c != "position"]
    histories = events.histories.select(columns)
    test = past["test"].union(targets["test"]).select(columns)
    validation = past["validation"].union(targets["validation"]).select(columns)
    later = targets["test"].semi_join(targets["validation"], "user").select(columns)
    if not test_has_validation:
        others = targets["validation"].semi_join(targets["test"], "user")
        test = test.union(others.select(columns))
    wrong = differences(histories.semi_join(test, "user"), test).union(
        differences(histories.semi_join(validation, "user"), validation.union(later))
    )
    if in_time:  # positions were compared
        return wrong
    lists = [*past.values(), *targets.values()]
    return ibis.union(wrong.select("user"), *map(_out_of_order, lists))


def leaked_targets(events: Events) -> ir.Table:
    """Items that a user has more often in training and targets than in the history.

    If pairs of user and item are unique, these are targets that the user's training
    windows hold too.
    """
    allowed = events.histories.select("user", "item", n=ibis.literal(-1, "int64"))
    tables = [events.trained, *events.targets.values()]
    used = [
        table.select("user", "item", n=ibis.literal(1, "int64")) for table in tables
    ]
    counts = ibis.union(allowed, *used).group_by(["user", "item"]).agg(n=_.n.sum())
    return counts.filter(_.n > 0)


def wrong_counts(events: Events, tables: Mapping[str, ir.Table]) -> ir.Table:
    """Training counts of a vocabulary that differ from the events trained on."""
    wrong = []
    for entity in ("item", "user"):
        vocabulary = tables[f"{entity}_vocabulary"].select(entity, "n_train")
        counts = events.training.group_by(entity).agg(n=_.count())
        compared = vocabulary.left_join(counts, entity).mutate(n=_.n.fill_null(0))
        faulty = compared.filter(_.n_train != _.n)
        wrong.append(
            faulty.select(
                "n_train", "n", entity=ibis.literal(entity, "string"), id=_[entity]
            )
        )
    return ibis.union(*wrong)


def wrong_features(
    tables: Mapping[str, ir.Table], deployed_schema: Mapping[str, Any]
) -> ir.Table:
    """Features whose counts or means are not those of the training.

    Args:
        tables: the outputs by name; values without a training entity must be in
            `deployed_values`.
        deployed_schema: has the numeric features that keep an earlier training's mean.
    """
    no_values = tables["feature_vocabulary"].limit(0)
    deployed_values = tables.get("deployed_values", no_values)
    wrong = []
    for entity in ("item", "user"):
        trained = tables[f"{entity}_vocabulary"].filter(_.n_train > 0)
        features = tables[f"{entity}_features"].semi_join(trained, entity)
        stated = tables["feature_vocabulary"].filter(_.entity == entity)
        counted = ["feature", "id", "count"]
        own = deployed_values.filter(_.entity == entity)
        kept = own.semi_join(stated, "feature").select("feature", "value", "id")
        gone = stated.filter(_["count"] == 0).select("feature", "value", "id")
        wrong += [
            rows.select("feature", entity=ibis.literal(entity, "string"))
            for rows in (
                differences(
                    stated.filter(_["count"] > 0).select(counted),
                    _recounted(features, stated),
                ),
                kept.anti_join(stated, ["feature", "value", "id"]),
                gone.anti_join(kept, ["feature", "value", "id"]),
            )
        ]
        scaled_before = deployed_schema.get(entity, {})
        for name, dtype in features.schema().items():
            if dtype.is_floating() and name not in scaled_before:
                mean = features.agg(mean=features[name].mean().abs())
                off = mean.filter(_["mean"] > LARGEST_MEAN)
                wrong.append(
                    off.select(
                        feature=ibis.literal(name, "string"),
                        entity=ibis.literal(entity, "string"),
                    )
                )
    return ibis.union(*wrong)


def _recounted(features: ir.Table, stated: ir.Table) -> ir.Table:
    """Return `feature`, `id`, `count` of vocabulary values in the encoded columns."""
    entity, *names = features.columns
    counts = stated.select("feature", "id", "count").limit(0)
    for name in names:
        column = features[name]
        if column.type().is_floating():
            continue
        ids = column if column.type().is_array() else ibis.array([column])
        rows = features.select(entity, id=ids).unnest("id").filter(_.id >= FIRST_ID)
        own = rows.group_by("id").agg(count=_.count())
        counts = counts.union(
            own.select(feature=ibis.literal(name, "string"), id="id", count=_["count"])
        )
    return counts
