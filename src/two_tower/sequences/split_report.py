"""Counts of what the selection and the split made of the data."""

import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.types import JsonObject

logger = logging.getLogger(__name__)

WARNED_SHARE: Final = 0.3
"""Share of the interactions above which a selection that drops them is warned of."""


def count_steps(steps: Mapping[str, ir.Table]) -> list[JsonObject]:
    """Return the interactions, users and items after each step of the selection.

    Args:
        steps: name of the step → interactions with `user_id` and `item_id`.
    """
    counts = [
        table.agg(
            number=ibis.literal(number, "int64"),
            step=ibis.literal(name, "string"),
            interactions=_.count(),
            users=_.user_id.nunique(),
            items=_.item_id.nunique(),
        )
        for number, (name, table) in enumerate(steps.items())
    ]
    return _rows(ibis.union(*counts).order_by("number").drop("number"))


def log_selection(steps: Sequence[JsonObject]) -> None:
    """Log what the selection keeps; it warns of one that drops much.

    Args:
        steps: as from `count_steps`.
    """
    read, kept = steps[0], steps[-1]
    n_read, n_kept = read["interactions"], kept["interactions"]
    logger.info(
        "kept %d of %d interactions, of %d users and %d items",
        n_kept,
        n_read,
        kept["users"],
        kept["items"],
    )
    if n_read - n_kept > WARNED_SHARE * n_read:
        dropped = (
            f"{before['interactions'] - after['interactions']} at {after['step']!r}"
            for before, after in pairwise(steps)
            if after["interactions"] < before["interactions"]
        )
        logger.warning(
            "the selection drops %.0f %% of the interactions (%s); relax "
            "sequencing.selection if that is not meant",
            100 * (1 - n_kept / n_read),
            ", ".join(dropped),
        )


def share_of_ties(kept: ir.Table) -> float:
    """Return the share of users' consecutive interactions with one timestamp.

    Args:
        kept: `user_id`, `position`, `timestamp`.

    Returns:
        A share in [0, 1]; 0 without consecutive interactions or times.
    """
    in_order = ibis.window(group_by="user_id", order_by="position")
    # The lag of a user's first interaction is null, and so counts for neither.
    ties = kept.select(tie=_.timestamp == _.timestamp.lag().over(in_order))
    (row,) = _rows(ties.agg(share=_.tie.mean()))
    return float(row["share"] or 0.0)


def count_outputs(tables: Mapping[str, ir.Table]) -> JsonObject:
    """Return the counts of each output of sequencing.

    Args:
        tables: `split_interactions`, `item_vocabulary`, `user_vocabulary`,
            `train_sequences`, `explicit_negatives`, `validation_examples` and
            `test_examples`.
    """
    return {
        "splits": _count_splits(tables["split_interactions"]),
        "items": _count_entities(tables["item_vocabulary"]),
        "users": _count_entities(tables["user_vocabulary"]),
        "train_sequences": _count_sequences(tables["train_sequences"]),
        "explicit_negatives": _count_explicit_negatives(tables["explicit_negatives"]),
        "validation_examples": _count_examples(tables["validation_examples"]),
        "test_examples": _count_examples(tables["test_examples"]),
    }


def _count_splits(split_interactions: ir.Table) -> dict[str, JsonObject]:
    """Return interactions, users, items, first and last second of each split."""
    counts = split_interactions.group_by("split").agg(
        interactions=_.count(),
        users=_.user_id.nunique(),
        items=_.item_id.nunique(),
        first_timestamp=_.timestamp.min(),
        last_timestamp=_.timestamp.max(),
    )
    return {row.pop("split"): row for row in _rows(counts.order_by("split"))}


def _count_entities(vocabulary: ir.Table) -> JsonObject:
    """Return all items or users, and those without training interactions."""
    return _totals(
        vocabulary.agg(all=_.count(), cold=(_.n_train == 0).cast("int64").sum())
    )


def _count_sequences(train_sequences: ir.Table) -> JsonObject:
    """Return windows, users, pairs, users with one item, and the longest window."""
    lengths = train_sequences.select(
        "user", n=_["items"].length(), n_pairs=_["targets"].length()
    )
    return _totals(
        lengths.agg(
            windows=_.count(),
            users=_.user.nunique(),
            pairs=_.n_pairs.sum(),
            single_items=(_.n_pairs == 0).cast("int64").sum(),
            longest=_.n.max(),
        )
    )


def _count_explicit_negatives(explicit_negatives: ir.Table) -> JsonObject:
    """Return users and (user, item) pairs."""
    return _totals(
        explicit_negatives.agg(users=_.count(), pairs=_["items"].length().sum())
    )


def _count_examples(examples: ir.Table) -> JsonObject:
    """Return queries, targets, queries without a history, and the longest history."""
    lengths = examples.select(
        n_items=_["items"].length(), n_targets=_["targets"].length()
    )
    return _totals(
        lengths.agg(
            queries=_.count(),
            targets=_.n_targets.sum(),
            without_history=(_.n_items == 0).cast("int64").sum(),
            longest_history=_.n_items.max(),
        )
    )


def _totals(one_row: ir.Table) -> JsonObject:
    return _rows(one_row.fill_null(0))[0]


def _rows(table: ir.Table) -> list[JsonObject]:
    rows: list[JsonObject] = table.to_pyarrow().to_pylist()
    return rows
