"""The dense ids of items and users."""

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.splits import TRAIN
from two_tower.types import FIRST_ID


def item_vocabulary(split_interactions: ir.Table, items: ir.Table) -> ir.Table:
    """Number the items of all kept interactions, in order of `item_id`.

    Args:
        split_interactions: `item_id` and `split`, one row per interaction.
        items: `item_id` (unique) and, where known, `title`.

    Returns:
        One row per item, by `item`: `item` (int32, from 2 on), `item_id`, `title`
        (string or null), `n_train` (int64, training interactions; 0 is a cold item).
    """
    numbered = _numbered(split_interactions, "item")
    if "title" not in items.columns:
        titled = numbered.mutate(title=ibis.null("string"))
    else:
        ids = items.item_id.cast(numbered.item_id.type())
        titles = items.select(item_id=ids, title=items.title.cast("string"))
        titled = numbered.left_join(titles, "item_id")
    return titled.select("item", "item_id", "title", "n_train").order_by("item")


def user_vocabulary(split_interactions: ir.Table) -> ir.Table:
    """Number the users of all kept interactions, in order of `user_id`.

    Args:
        split_interactions: `user_id` and `split`, one row per interaction.

    Returns:
        One row per user, by `user`: `user` (int32, from 2 on), `user_id`, `n_train`
        (int64, training interactions; 0 is a user that training does not know).
    """
    numbered = _numbered(split_interactions, "user")
    return numbered.select("user", "user_id", "n_train").order_by("user")


def _numbered(split_interactions: ir.Table, entity: str) -> ir.Table:
    key = f"{entity}_id"
    counts = split_interactions.group_by(key).agg(
        n_train=(_.split == TRAIN).cast("int64").sum()
    )
    place = ibis.row_number().over(order_by=key)
    return counts.mutate(**{entity: (place + FIRST_ID).cast("int32")})


def with_dense_ids(
    interactions: ir.Table, item_vocabulary: ir.Table, user_vocabulary: ir.Table
) -> ir.Table:
    """Return the interactions with the columns `item` and `user` (int32)."""
    return interactions.inner_join(
        item_vocabulary.select("item_id", "item"), "item_id"
    ).inner_join(user_vocabulary.select("user_id", "user"), "user_id")
