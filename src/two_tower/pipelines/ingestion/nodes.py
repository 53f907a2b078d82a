"""Bring the tables of any source to the columns and types of interactions and items."""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from .columns import as_feature, as_id, as_seconds, require_columns
from .params import FeatureColumn, Ingestion


def type_interactions(raw_interactions: ir.Table, parameters: Ingestion) -> ir.Table:
    """Return who met what, when, and how they liked it.

    Args:
        raw_interactions: one row per interaction, under the source's own names.
        parameters: what those are, and how ids and times are written.

    Returns:
        One row per interaction, in the order of `event_id` (int64, unique):
        `user_id` and `item_id` (int64 or string), `timestamp` (int64, seconds since
        1970, UTC), `rating` (float32, null without one).
    """
    columns, ids = parameters.columns.interactions, parameters.ids
    source = raw_interactions
    require_columns(source, columns.model_dump().values(), "raw_interactions")
    # Without a column for it, the rows' own order in the file: DuckDB keeps that.
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
    """Return what is known of the items.

    Args:
        raw_items: one row per item, under the source's own names; may have no rows.
        parameters: what those are, and which columns to keep.

    Returns:
        One row per item, in the order of `item_id` (int64 or string, unique): `title`
        (string, null without one) and each feature under its name, as `as_feature`
        returns it.
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
    """Return what is known of the users.

    Args:
        raw_users: one row per user, under the source's own names; may have no rows.
        parameters: what those are, and which columns to keep.

    Returns:
        One row per user, in the order of `user_id` (int64 or string, unique), with
        each feature under its name, as `as_feature` returns it.
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
