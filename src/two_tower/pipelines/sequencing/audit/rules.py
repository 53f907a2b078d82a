"""The audit's questions about what the split and the rule of dislikes promise."""

import math
from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import numpy as np
from ibis import _

from two_tower.pipelines.sequencing.params import ExplicitNegatives, Split

from .tables import Evidence, differences


def violations_of_split(
    evidence: Evidence, tables: Mapping[str, ir.Table], split: Split
) -> ir.Table:
    """Return where a split holds out other interactions than its kind says."""
    sizes = _sizes(evidence, tables)
    if split.kind == "leave_one_out":
        return _unlike_leave_one_out(sizes)
    if split.kind == "temporal":
        return _across_cut_offs(evidence, sizes, split)
    if split.kind == "random":
        return _unlike_shares(evidence, split)
    if split.kind == "new_users":
        return _unlike_new_users(evidence, sizes, split)
    return _unlike_new_items(evidence, split)


def _sizes(evidence: Evidence, tables: Mapping[str, ir.Table]) -> ir.Table:
    """Return per user `n`, and of each query how much it knows and asks for."""
    sizes = evidence.histories.group_by("user").agg(n=_.count())
    for split in ("validation", "test"):
        lengths = tables[f"{split}_examples"].select(
            "user",
            **{
                f"{split}_known": _["items"].length(),
                f"{split}_targets": _["targets"].length(),
            },
        )
        sizes = sizes.left_join(lengths, "user").drop("user_right")
    return sizes.fill_null(0)


def _unlike_leave_one_out(sizes: ir.Table) -> ir.Table:
    """The last item is the test target, the one before the validation target."""
    return sizes.filter(
        (_.test_targets != (_.n > 1).cast("int64"))
        | (_.validation_targets != (_.n > 2).cast("int64"))  # noqa: PLR2004
        | ((_.n > 1) & (_.test_known != _.n - 1))
        | ((_.n > 2) & (_.validation_known != _.n - 2))  # noqa: PLR2004
    )


def _across_cut_offs(evidence: Evidence, sizes: ir.Table, split: Split) -> ir.Table:
    """Training ends before the first cut-off, validation before the second."""
    first, second = (_moment(evidence, cut) for cut in split.temporal.cuts)
    counts = evidence.histories.group_by("user").agg(
        first=(_.timestamp < first).cast("int64").sum(),
        second=(_.timestamp < second).cast("int64").sum(),
    )
    compared = sizes.inner_join(counts, "user")
    wrong = compared.filter(
        (_.validation_targets != _.second - _.first)
        | (_.test_targets != _.n - _.second)
        | ((_.validation_targets > 0) & (_.validation_known != _.first))
        | ((_.test_targets > 0) & (_.test_known != _.second))
    )
    late = evidence.positions.filter(_.timestamp >= first)
    return wrong.select("user").union(late.select("user"))


def _moment(evidence: Evidence, cut: float | int) -> int:
    if isinstance(cut, int):
        return cut
    moments = evidence.truth.select("timestamp").to_pyarrow()["timestamp"].to_numpy()
    return int(np.sort(moments)[math.floor(len(moments) * cut)])


def _unlike_shares(evidence: Evidence, split: Split) -> ir.Table:
    """Each split has its share of the interactions, to the nearest whole one."""
    shares = {"validation": split.random.validation, "test": split.random.test}
    n = int(evidence.truth.count().execute())
    counts = [
        evidence.targets[name].agg(
            found=_.count(),
            expected=ibis.literal(math.floor(n * share + 0.5)),
            split=ibis.literal(name),
        )
        for name, share in shares.items()
    ]
    return ibis.union(*counts).filter(_.found != _.expected)


def _unlike_new_users(evidence: Evidence, sizes: ir.Table, split: Split) -> ir.Table:
    """Held-out users are not trained on; the shares of users and items are met."""
    shares = split.new_users
    held_out = sizes.filter((_.validation_targets > 0) | (_.test_targets > 0))
    trained = held_out.semi_join(evidence.positions, "user")
    n_known = (_.n * shares.given).floor().cast("int64").clip(1, _.n - 1)
    ill_given = held_out.filter(
        ((_.validation_targets > 0) & (_.test_targets > 0))
        | (_.validation_known + _.test_known != n_known)
        | (
            _.validation_known + _.test_known + _.validation_targets + _.test_targets
            != _.n
        )
    )
    n_eligible = int(sizes.filter(_.n > 1).count().execute())
    miscounted = [
        sizes.filter(_[f"{name}_targets"] > 0)
        .agg(found=_.count())
        .filter(_.found != math.floor(n_eligible * share + 0.5))
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


def _unlike_new_items(evidence: Evidence, split: Split) -> ir.Table:
    """Held-out items are targets and nothing else; the shares of items are met."""
    shares = {"validation": split.new_items.validation, "test": split.new_items.test}
    items = {name: evidence.targets[name].select("item").distinct() for name in shares}
    held_out = ibis.union(*items.values())  # an item of both is there twice
    next_items = evidence.positions.select(item="target")
    elsewhere = [evidence.trained, next_items, *evidence.known.values()]
    targets = ibis.union(*evidence.targets.values())
    met = evidence.histories.semi_join(held_out, "item")
    event = ["user", "item", "timestamp"]
    n_items = int(evidence.histories.item.nunique().execute())
    wrong = {
        "known elsewhere": ibis.union(
            *(rows.select("item").semi_join(held_out, "item") for rows in elsewhere)
        ),
        "in both splits": held_out.group_by("item")
        .agg(n=_.count())
        .filter(_.n > 1)
        .select("item"),
        "not always a target": differences(
            met.select(event), targets.select(event)
        ).select("item"),
        "another number of items": ibis.union(
            *(
                items[name]
                .agg(found=_.count())
                .filter(_.found != math.floor(n_items * share + 0.5))
                .select(item=ibis.null("int32"))
                for name, share in shares.items()
            )
        ),
    }
    return ibis.union(
        *(rows.select("item", why=ibis.literal(why)) for why, rows in wrong.items())
    )


def wrong_explicit_negatives(
    evidence: Evidence,
    tables: Mapping[str, ir.Table],
    explicit_negatives: ExplicitNegatives,
    split: Split,
) -> ir.Table:
    """ExplicitNegatives items against the low ratings that came before any target."""
    found = tables["explicit_negatives"].select("user", item=_["items"]).unnest("item")
    if explicit_negatives.max_rating is None:
        return found
    low = (
        tables["interactions"]
        .filter(_.rating <= explicit_negatives.max_rating)
        .inner_join(tables["item_vocabulary"].select("item_id", "item"), "item_id")
        .inner_join(tables["user_vocabulary"].select("user_id", "user"), "user_id")
        .select("user", "item", "timestamp")
    )
    if split.kind == "temporal":
        low = low.filter(_.timestamp < _moment(evidence, split.temporal.cuts[0]))
    targets = ibis.union(*evidence.targets.values())
    first = targets.group_by("user").agg(first=_.timestamp.min())
    timed = low.left_join(first, "user").select(*low.columns, "first")
    late = timed.filter(_.timestamp >= _["first"]).select(*low.columns)
    training = evidence.training
    expected = (
        low.difference(late)
        .semi_join(training, "user")
        .semi_join(training, "item")
        .anti_join(training, ["user", "item"])
    )
    return differences(expected.select("user", "item").distinct(), found)
