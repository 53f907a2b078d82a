"""Nodes of ingestion: any source's tables as interactions, items and users."""

import logging

import ibis
import ibis.expr.types as ir

from two_tower.tables.columns import mark_missing, require_columns
from two_tower.tables.faults import count_faults, is_any_faulty, settle
from two_tower.tables.report import (
    describe_tables,
    find_warnings,
    refuse_unjoined,
    summarise,
)
from two_tower.types import JsonObject

from .entities import type_entities
from .interactions import ROW, find_faults, select_columns, type_columns
from .params import Ingestion

logger = logging.getLogger(__name__)


def type_interactions(
    raw_interactions: ir.Table, parameters: Ingestion
) -> tuple[ir.Table, JsonObject]:
    """Return the interactions: user, item, time and rating.

    Args:
        raw_interactions: one row per interaction, with the source's column names.
        parameters: the source's column names, and formats of ids and times.

    Returns:
        One row per interaction, in the order of `event_id` (int64, unique):
        `user_id` and `item_id` (int64 or string), `timestamp` (int64, seconds since
        1970, UTC; null in every row if the source has no times), `rating` (float32,
        null if missing). And the counts of `settle`.

    Raises:
        ValueError: a column is missing or of another type, or rows can't be used.
    """
    names = parameters.columns.interactions.model_dump().values()
    require_columns(raw_interactions, names, "raw_interactions")
    source = mark_missing(raw_interactions, names, parameters.missing)
    # Without a column for it, the order of rows in the file, which DuckDB keeps.
    source = source.mutate(**{ROW: ibis.row_number() + 1})
    typed = type_columns(source, parameters)
    faults = find_faults(typed, parameters)
    is_used = ~is_any_faulty(faults)
    used = {"used": is_used.sum()}
    counts = count_faults(source, source[ROW], faults, used)
    n_used = counts.others["used"] or 0
    settled = settle("raw_interactions", counts, parameters.invalid, n_used)
    return select_columns(source, typed, is_used), {**settled, "warnings": []}


def type_items(
    raw_items: ir.Table, parameters: Ingestion
) -> tuple[ir.Table, JsonObject]:
    """Return the items with their title and features.

    Args:
        raw_items: one row per item, with the source's column names; may have no rows.
        parameters: the source's column names, and the columns to keep.

    Returns:
        One row per item, in the order of `item_id` (int64 or string, unique): `title`
        (string, null if missing) and a column per feature. And the counts of
        `entities.type_entities`.

    Raises:
        ValueError: a column is missing or of another type, or rows can't be used.
    """
    return type_entities(raw_items, "item", parameters)


def type_users(
    raw_users: ir.Table, parameters: Ingestion
) -> tuple[ir.Table, JsonObject]:
    """Return the users with their features.

    Args:
        raw_users: one row per user, with the source's column names; may have no rows.
        parameters: the source's column names, and the columns to keep.

    Returns:
        One row per user, in the order of `user_id` (int64 or string, unique), with a
        column per feature. And the counts of `entities.type_entities`.

    Raises:
        ValueError: a column is missing or of another type, or rows can't be used.
    """
    return type_entities(raw_users, "user", parameters)


def report_ingestion(
    interactions: ir.Table, items: ir.Table, users: ir.Table, **counts: JsonObject
) -> JsonObject:
    """Report what the tables hold, and refuse tables that do not fit each other.

    Args:
        interactions: as from `type_interactions`.
        items: as from `type_items`.
        users: as from `type_users`.
        counts: `interactions_counts`, `items_counts` and `users_counts`.

    Returns:
        `interactions`, `items` and `users` (see `two_tower.tables.report`), and
        `warnings`, the sentences of all warnings.

    Raises:
        ValueError: no interaction has an item of the items, or a user of the users.
    """
    read = {name.removesuffix("_counts"): found for name, found in counts.items()}
    described = describe_tables(interactions, items, users)
    report = {name: {**read[name], **found} for name, found in described.items()}
    logger.info("%s", summarise(report))
    refuse_unjoined(report)
    warnings = find_warnings(report)
    for warning in warnings:
        logger.warning("%s", warning)
    earlier = [w for name in described for w in read[name]["warnings"]]
    return {**report, "warnings": [*earlier, *warnings]}
