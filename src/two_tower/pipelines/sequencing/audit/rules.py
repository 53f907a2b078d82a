"""Audit checks of what a kind of split, and the explicit negatives, promise."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir
import numpy as np
from ibis import _

from two_tower.sequences.explicit_negatives import ExplicitNegatives
from two_tower.sequences.splits import Split

from .tables import Events, differences


@dataclass(frozen=True)
class SplitRule:
    """What a kind of split promises.

    Attributes:
        violations: returns the rows that the kind should have held out otherwise.
        in_time: whether all targets are later than the query's history.
        trains_on_histories: whether queries' histories are in the training.
        test_has_validation: whether the history of a test query has the validation
            targets.
    """

    violations: Callable[[Events, ir.Table, Split], ir.Table]
    in_time: bool = True
    trains_on_histories: bool = True
    test_has_validation: bool = True


def split_violations(
    events: Events, tables: Mapping[str, ir.Table], split: Split
) -> ir.Table:
    """Return where a split holds out other interactions than its kind promises.

    Args:
        events: as from `read_events`.
        tables: the outputs by name.
        split: how interactions must be held out.
    """
    return RULES[split.kind].violations(events, _sizes(events, tables), split)


def _sizes(events: Events, tables: Mapping[str, ir.Table]) -> ir.Table:
    """Return per user `n`, and `<split>_history` and `<split>_targets` of the query."""
    sizes = events.histories.group_by("user").agg(n=_.count())
    for split in ("validation", "test"):
        lengths = tables[f"{split}_examples"].select(
            "user",
            **{
                f"{split}_history": _["items"].length(),
                f"{split}_targets": _["targets"].length(),
            },
        )
        sizes = sizes.left_join(lengths, "user").drop("user_right")
    return sizes.fill_null(0)


def _unlike_none(events: Events, sizes: ir.Table, split: Split) -> ir.Table:
    """Nothing is a target, and so everything is trained on."""
    return sizes.filter((_.validation_targets > 0) | (_.test_targets > 0))


def _unlike_leave_one_out(events: Events, sizes: ir.Table, split: Split) -> ir.Table:
    """The last item is the test target, the one before the validation target."""
    return sizes.filter(
        (_.test_targets != (_.n > 1).cast("int64"))
        | (_.validation_targets != (_.n > 2).cast("int64"))  # noqa: PLR2004
        | ((_.n > 1) & (_.test_history != _.n - 1))
        | ((_.n > 2) & (_.validation_history != _.n - 2))  # noqa: PLR2004
    )


def _unlike_temporal(events: Events, sizes: ir.Table, split: Split) -> ir.Table:
    """Training ends before the first cut-off, validation before the second."""
    first, second = (_moment(events, cut) for cut in split.temporal.cuts)
    counts = events.histories.group_by("user").agg(
        first=(_.timestamp < first).cast("int64").sum(),
        second=(_.timestamp < second).cast("int64").sum(),
    )
    compared = sizes.inner_join(counts, "user")
    wrong = compared.filter(
        (_.validation_targets != _.second - _.first)
        | (_.test_targets != _.n - _.second)
        | ((_.validation_targets > 0) & (_.validation_history != _.first))
        | ((_.test_targets > 0) & (_.test_history != _.second))
    )
    late = events.windows.filter(_.timestamp >= first)
    return wrong.select("user").union(late.select("user"))


def _moment(events: Events, cut: float | int) -> int:
    if isinstance(cut, int):
        return cut
    moments = events.expected.select("timestamp").to_pyarrow()["timestamp"].to_numpy()
    return int(np.sort(moments)[math.floor(len(moments) * cut)])


def _unlike_random(events: Events, sizes: ir.Table, split: Split) -> ir.Table:
    """Each split has its share of the interactions, to the nearest whole one."""
    shares = {"validation": split.random.validation, "test": split.random.test}
    n = int(events.expected.count().execute())
    counts = [
        events.targets[name].agg(
            found=_.count(),
            # Without a type, the number decides it, and tables of two types have no
            # union.
            expected=ibis.literal(_rounded(n, share), "int64"),
            split=ibis.literal(name, "string"),
        )
        for name, share in shares.items()
    ]
    return ibis.union(*counts).filter(_.found != _.expected)


def _rounded(n: int, share: float) -> int:
    """Return a share of `n` rows, to the nearest whole one."""
    return math.floor(n * share + 0.5)


def _unlike_new_users(events: Events, sizes: ir.Table, split: Split) -> ir.Table:
    """Held-out users are not trained on; the shares of users and items are met."""
    shares = split.new_users
    held_out = sizes.filter((_.validation_targets > 0) | (_.test_targets > 0))
    trained = held_out.semi_join(events.windows, "user")
    n_given = (_.n * shares.given).floor().cast("int64").clip(1, _.n - 1)
    history = _.validation_history + _.test_history
    ill_given = held_out.filter(
        ((_.validation_targets > 0) & (_.test_targets > 0))
        | (history != n_given)
        | (history + _.validation_targets + _.test_targets != _.n)
    )
    n_eligible = int(sizes.filter(_.n > 1).count().execute())
    miscounted = [
        sizes.filter(_[f"{name}_targets"] > 0)
        .agg(found=_.count())
        .filter(_.found != _rounded(n_eligible, share))
        for name, share in (("validation", shares.validation), ("test", shares.test))
    ]
    return ibis.union(
        trained.select("user", why=ibis.literal("trained on")),
        ill_given.select("user", why=ibis.literal("given another share")),
        *(
            rows.select(
                user=ibis.null("int32"), why=ibis.literal("another number of users")
            )
            for rows in miscounted
        ),
    )


def _unlike_new_items(events: Events, sizes: ir.Table, split: Split) -> ir.Table:
    """Held-out items are targets and nothing else; the shares of items are met."""
    shares = {"validation": split.new_items.validation, "test": split.new_items.test}
    items = {name: events.targets[name].select("item").distinct() for name in shares}
    held_out = ibis.union(*items.values())  # an item of both splits is there twice
    next_items = events.windows.select(item="target")
    elsewhere = [events.trained, next_items, *events.query_histories.values()]
    targets = ibis.union(*events.targets.values())
    of_held_out = events.histories.semi_join(held_out, "item")
    event = ["user", "item", "timestamp"]
    n_items = int(events.histories.item.nunique().execute())
    wrong = {
        "in training or a history": ibis.union(
            *(rows.select("item").semi_join(held_out, "item") for rows in elsewhere)
        ),
        "in both splits": held_out.group_by("item")
        .agg(n=_.count())
        .filter(_.n > 1)
        .select("item"),
        "not always a target": differences(
            of_held_out.select(event), targets.select(event)
        ).select("item"),
        "another number of items": ibis.union(
            *(
                items[name]
                .agg(found=_.count())
                .filter(_.found != _rounded(n_items, share))
                .select(item=ibis.null("int32"))
                for name, share in shares.items()
            )
        ),
    }
    return ibis.union(
        *(
            rows.select("item", why=ibis.literal(why, "string"))
            for why, rows in wrong.items()
        )
    )


RULES: Final[dict[str, SplitRule]] = {
    "none": SplitRule(_unlike_none),
    "leave_one_out": SplitRule(_unlike_leave_one_out),
    "temporal": SplitRule(_unlike_temporal),
    "random": SplitRule(_unlike_random, in_time=False),
    "new_users": SplitRule(_unlike_new_users, trains_on_histories=False),
    "new_items": SplitRule(_unlike_new_items, in_time=False, test_has_validation=False),
}


def wrong_explicit_negatives(
    events: Events,
    tables: Mapping[str, ir.Table],
    rule: ExplicitNegatives,
    split: Split,
) -> ir.Table:
    """Explicit negatives that differ from the low ratings before any target.

    Args:
        events: as from `read_events`.
        tables: `interactions` and the outputs by name.
        rule: which ratings must be explicit negatives.
        split: how interactions must be held out.
    """
    found = tables["explicit_negatives"].select("user", item=_["items"]).unnest("item")
    if rule.max_rating is None:
        return found
    low = (
        tables["interactions"]
        .filter(_.rating <= rule.max_rating)
        .inner_join(tables["item_vocabulary"].select("item_id", "item"), "item_id")
        .inner_join(tables["user_vocabulary"].select("user_id", "user"), "user_id")
        .select("user", "item", "timestamp")
    )
    if split.kind == "temporal":
        low = low.filter(_.timestamp < _moment(events, split.temporal.cuts[0]))
    targets = ibis.union(*events.targets.values())
    first = targets.group_by("user").agg(first=_.timestamp.min())
    timed = low.left_join(first, "user").select(*low.columns, "first")
    late = timed.filter(_.timestamp >= _["first"]).select(*low.columns)
    training = events.training
    expected = (
        low.difference(late)
        .semi_join(training, "user")
        .semi_join(training, "item")
        .anti_join(training, ["user", "item"])
    )
    return differences(expected.select("user", "item").distinct(), found)
