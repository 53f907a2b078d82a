"""Nodes of ingestion: any source's tables as interactions, items and users."""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from .columns import as_feature, as_id, as_seconds, require_columns
from .params import FeatureColumn, Ingestion


def type_interactions(raw_interactions: ir.Table, parameters: Ingestion) -> ir.Table:
    """Return the interactions: user, item, time and rating.

    Args:
        raw_interactions: one row per interaction, with the source's column names.
        parameters: the source's column names, and formats of ids and times.

    Returns:
        One row per interaction, in the order of `event_id` (int64, unique):
        `user_id` and `item_id` (int64 or string), `timestamp` (int64, seconds since
        1970, UTC), `rating` (float32, null if missing).
    """
    columns, ids = parameters.columns.interactions, parameters.ids
    source = raw_interactions
    require_columns(source, columns.model_dump().values(), "raw_interactions")
    # Without a column for it, the order of rows in the file, which DuckDB keeps.
    event_id = (
        as_id(source[columns.event_id], "integer")
        if columns.event_id
        else ibis.row_number()
    )
    rating = source[columns.rating] if columns.rating else ibis.null()
    return source.select(
        event_id=event_id.cast("int64"),
        user_id=as_id(source[columns.user_id], ids.user_id),
        item_id=as_id(source[columns.item_id], ids.item_id),
        timestamp=as_seconds(source[columns.timestamp], parameters.timestamps),
        rating=rating.cast("float32"),
    ).order_by("event_id")


def type_items(raw_items: ir.Table, parameters: Ingestion) -> ir.Table:
    """Return the items with their title and features.

    Args:
        raw_items: one row per item, with the source's column names; may have no rows.
        parameters: the source's column names, and the columns to keep.

    Returns:
        One row per item, in the order of `item_id` (int64 or string, unique): `title`
        (string, null if missing) and a column per feature, see `as_feature`.
    """
    columns, features = parameters.columns.items, parameters.features.items
    needed = [*columns.model_dump().values(), *(feature.column for feature in features)]
    require_columns(raw_items, needed, "raw_items")
    title = raw_items[columns.title] if columns.title else ibis.null()
    return raw_items.select(
        item_id=as_id(raw_items[columns.item_id], parameters.ids.item_id),
        title=title.cast("string"),
        **_type_features(raw_items, features, parameters.separator),
    ).order_by("item_id")


def type_users(raw_users: ir.Table, parameters: Ingestion) -> ir.Table:
    """Return the users with their features.

    Args:
        raw_users: one row per user, with the source's column names; may have no rows.
        parameters: the source's column names, and the columns to keep.

    Returns:
        One row per user, in the order of `user_id` (int64 or string, unique), with a
        column per feature, see `as_feature`.
    """
    columns, features = parameters.columns.users, parameters.features.users
    needed = [columns.user_id, *(feature.column for feature in features)]
    require_columns(raw_users, needed, "raw_users")
    return raw_users.select(
        user_id=as_id(raw_users[columns.user_id], parameters.ids.user_id),
        **_type_features(raw_users, features, parameters.separator),
    ).order_by("user_id")


def _type_features(
    table: ir.Table, features: Iterable[FeatureColumn], separator: str
) -> dict[str, ir.Column]:
    return {
        feature.name: as_feature(table[feature.column], feature.type, separator)
        for feature in features
    }
