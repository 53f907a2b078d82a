"""The audit's questions that hold for every split; each returns its violations."""

from collections.abc import Mapping
from typing import Any, Final

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import unfold
from two_tower.types import FIRST_ID

from .tables import EVENT, Evidence, differences

LARGEST_MEAN: Final = 1e-3
"""Of a standardised float32 column over the entities that training knows."""


def empty_outputs(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Training rows and test queries: without either there is nothing to measure."""
    names = ("train_sequences", "test_examples")
    rows = [
        tables[name].agg(n=_.count()).select("n", empty=ibis.literal(name))
        for name in names
    ]
    return ibis.union(*rows).filter(_.n == 0)


def wrong_histories(evidence: Evidence, *, ties: str) -> ir.Table:
    """Histories against the interactions that ought to be kept."""
    if ties == "file_order":
        return differences(evidence.truth, evidence.histories)
    without_place = [column for column in EVENT if column != "place"]
    shuffled = differences(
        evidence.truth.select(without_place), evidence.histories.select(without_place)
    )
    return shuffled.select("user").union(_turned_back(evidence.histories))


def _turned_back(events: ir.Table) -> ir.Table:
    in_order = ibis.window(group_by="user", order_by="place")
    before = events.mutate(before=_.timestamp.lag().over(in_order))
    return before.filter(_.before > _.timestamp).select("user")


def wrong_ids(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Dense ids that are not 2, 3, … in order of the ids they stand for.

    Where a vocabulary has grown, what was known ought to have kept its id, and the
    order is that of what is new.
    """
    met = unfold(tables["histories"], ["user_id"], {"item_id": "item_ids"})
    wrong = []
    for entity in ("item", "user"):
        key = f"{entity}_id"
        vocabulary = tables[f"{entity}_vocabulary"].select(entity, key)
        known = tables.get(f"deployed_{entity}s", vocabulary.limit(0)).select(
            entity, key
        )
        new = vocabulary.anti_join(known, key)
        first = FIRST_ID + int(known.count().execute())
        by_id = ibis.row_number().over(order_by=[key, entity]) + first
        misplaced = new.mutate(expected=by_id).filter(_[entity] != _.expected)
        repeated = vocabulary.group_by(key).agg(n=_.count()).filter(_.n > 1)
        expected = met.select(key).union(known.select(key)).distinct()
        wrong += [
            _named(table, key)
            for table in (
                misplaced,
                repeated,
                known.anti_join(vocabulary, [entity, key]),
                expected.anti_join(vocabulary, key),
                vocabulary.anti_join(expected, key),
            )
        ]
    return ibis.union(*wrong)


def _named(rows: ir.Table, key: str) -> ir.Table:
    return rows.select(column=ibis.literal(key), value=_[key].cast("string"))


def unsound_examples(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Queries without a target, with ill-matched lists or of the wrong user."""
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
        wrong.append(faulty.select("user", split=ibis.literal(split)))
    return ibis.union(*wrong)


def wrong_windows(train_sequences: ir.Table, size: int) -> ir.Table:
    """Windows of other lengths than asked, or not numbered 0, 1, …."""
    place = ibis.row_number().over(group_by="user", order_by="window")
    lengths = train_sequences.mutate(
        expected=place, n=_["items"].length(), n_targets=_["targets"].length()
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


def wrong_pairs(evidence: Evidence) -> ir.Table:
    """Training pairs against those of the histories that ought to be trained on.

    They have the times of both items. A user's only item makes a pair with no target.
    """
    in_order = ibis.window(group_by="user", order_by="place")
    expected = evidence.training.mutate(
        target=_["item"].lead().over(in_order),
        target_timestamp=_.timestamp.lead().over(in_order),
        n=_.count().over(group_by="user"),
    )
    columns = [*EVENT, "target", "target_timestamp"]
    return differences(
        expected.filter(_.target.notnull() | (_.n == 1)).select(columns),
        evidence.positions.select(columns),
    )


def wrong_queries(
    evidence: Evidence, *, in_time: bool, test_knows_validation: bool
) -> ir.Table:
    """Queries whose past and targets are not the user's history, in its order.

    A test query takes up the whole history, or all but the validation targets; a
    validation query all but the test targets. Where targets are drawn at random there
    is no before and after: then the events must be the same, and those known in order
    of time.
    """
    known, targets = evidence.known, evidence.targets
    columns = list(EVENT) if in_time else [c for c in EVENT if c != "place"]
    histories = evidence.histories.select(columns)
    test = known["test"].union(targets["test"]).select(columns)
    validation = known["validation"].union(targets["validation"]).select(columns)
    later = targets["test"].semi_join(targets["validation"], "user").select(columns)
    if not test_knows_validation:
        others = targets["validation"].semi_join(targets["test"], "user")
        test = test.union(others.select(columns))
    wrong = differences(histories.semi_join(test, "user"), test).union(
        differences(histories.semi_join(validation, "user"), validation.union(later))
    )
    if in_time:  # then the histories' own order is compared
        return wrong
    lists = [*known.values(), *targets.values()]
    return ibis.union(wrong.select("user"), *map(_turned_back, lists))


def leaked_targets(evidence: Evidence) -> ir.Table:
    """Items that a user's training and targets hold more often than the history.

    Where each pair of user and item is unique, that is a target that the user's
    training windows hold too, as an input or as a target.
    """
    allowed = evidence.histories.select("user", "item", n=ibis.literal(-1))
    tables = [evidence.trained, *evidence.targets.values()]
    used = [table.select("user", "item", n=ibis.literal(1)) for table in tables]
    counts = ibis.union(allowed, *used).group_by(["user", "item"]).agg(n=_.n.sum())
    return counts.filter(_.n > 0)


def wrong_counts(evidence: Evidence, tables: Mapping[str, ir.Table]) -> ir.Table:
    """Training counts of the vocabularies against the interactions trained on."""
    wrong = []
    for entity in ("item", "user"):
        vocabulary = tables[f"{entity}_vocabulary"].select(entity, "n_train")
        counts = evidence.training.group_by(entity).agg(n=_.count())
        compared = vocabulary.left_join(counts, entity).mutate(n=_.n.fill_null(0))
        faulty = compared.filter(_.n_train != _.n)
        wrong.append(
            faulty.select("n_train", "n", entity=ibis.literal(entity), id=_[entity])
        )
    return ibis.union(*wrong)


def wrong_features(
    tables: Mapping[str, ir.Table], deployed_schema: Mapping[str, Any]
) -> ir.Table:
    """Feature counts and scales that other entities than training's have shaped.

    Args:
        tables: the outputs by name; a value that no entity has is one of
            `deployed_values`.
        deployed_schema: holds the dense features whose scale is of an earlier training.
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
            rows.select("feature", entity=ibis.literal(entity))
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
                    off.select(feature=ibis.literal(name), entity=ibis.literal(entity))
                )
    return ibis.union(*wrong)


def _recounted(features: ir.Table, stated: ir.Table) -> ir.Table:
    """Return `feature`, `id`, `count` of the known values, from the encoded columns."""
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
            own.select(feature=ibis.literal(name), id="id", count=_["count"])
        )
    return counts
