"""The dense ids of items and users.

A vocabulary can grow from a known one: what is known keeps its number, whether the data
still have it or not, and what is new comes behind.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.splits import TRAIN
from two_tower.types import FIRST_ID


def item_vocabulary(
    split_interactions: ir.Table, items: ir.Table, known: ir.Table | None = None
) -> ir.Table:
    """Number the items of all kept interactions, in order of `item_id`.

    Args:
        split_interactions: `item_id` and `split`, one row per interaction.
        items: `item_id` (unique) and, where known, `title`.
        known: an item vocabulary to grow from.

    Returns:
        One row per item, by `item`: `item` (int32, from 2 on), `item_id`, `title`
        (string or null), `n_train` (int64, training interactions; 0 is a cold item).

    Raises:
        ValueError: the ids are of another type than those of `known`.
    """
    numbered = _numbered(_count_training(split_interactions, "item"), "item", known)
    return _titled(numbered, items, known)


def user_vocabulary(
    split_interactions: ir.Table, known: ir.Table | None = None
) -> ir.Table:
    """Number the users of all kept interactions, in order of `user_id`.

    Args:
        split_interactions: `user_id` and `split`, one row per interaction.
        known: a user vocabulary to grow from.

    Returns:
        One row per user, by `user`: `user` (int32, from 2 on), `user_id`, `n_train`
        (int64, training interactions; 0 is a user that training does not know).

    Raises:
        ValueError: the ids are of another type than those of `known`.
    """
    numbered = _numbered(_count_training(split_interactions, "user"), "user", known)
    return numbered.select("user", "user_id", "n_train").order_by("user")


def add_items(known: ir.Table, items: ir.Table) -> ir.Table:
    """Return an item vocabulary with the items it lacks behind it, as cold items.

    Args:
        known: as from `item_vocabulary`.
        items: `item_id` (unique) and, where known, `title`.

    Returns:
        The columns of `known`; its rows keep their `item` and `n_train`.

    Raises:
        ValueError: the ids are of another type than those of `known`.
    """
    counts = items.select("item_id", n_train=ibis.literal(0, "int64"))
    numbered = _numbered(counts, "item", known).drop("n_train")
    counted = numbered.left_join(known.select("item_id", "n_train"), "item_id")
    return _titled(
        counted.select("item", "item_id", n_train=_.n_train.fill_null(0)), items, known
    )


def _count_training(split_interactions: ir.Table, entity: str) -> ir.Table:
    return split_interactions.group_by(f"{entity}_id").agg(
        n_train=(_.split == TRAIN).cast("int64").sum()
    )


def _numbered(counts: ir.Table, entity: str, known: ir.Table | None) -> ir.Table:
    """Return `<entity>_id`, `n_train` and `<entity>`, those of `known` first."""
    key = f"{entity}_id"
    entries = counts.mutate(_known=ibis.null("int32"))
    if known is not None:
        _check_type(counts[key], known[key], entity)
        absent = known.select(
            key, n_train=ibis.literal(0, "int64"), _known=known[entity]
        )
        entries = (
            entries.union(absent)
            .group_by(key)
            .agg(n_train=_.n_train.sum(), _known=_["_known"].max())
        )
    order = [entries["_known"].isnull(), entries["_known"], entries[key]]
    place = ibis.row_number().over(order_by=order)
    return entries.select(key, "n_train", **{entity: (place + FIRST_ID).cast("int32")})


def _check_type(found: ir.Column, known: ir.Column, entity: str) -> None:
    if found.type() != known.type():
        raise ValueError(
            f"the {entity} ids are {found.type()}, but those of the known vocabulary "
            f"are {known.type()}; read the data with the same type of id, or train "
            "anew instead of growing"
        )


def _titled(numbered: ir.Table, items: ir.Table, known: ir.Table | None) -> ir.Table:
    """Return the items with their present title, or else the known one."""
    titled = numbered.mutate(title=ibis.null("string"))
    for table in (known, items):  # what comes last is preferred
        if table is None or "title" not in table.columns:
            continue
        ids = table.item_id.cast(numbered.item_id.type())
        titles = table.select(item_id=ids, _new=table.title.cast("string"))
        joined = titled.left_join(titles, "item_id")
        titled = joined.select(
            "item", "item_id", "n_train", title=joined["_new"].fill_null(joined.title)
        )
    return titled.select("item", "item_id", "title", "n_train").order_by("item")


def with_dense_ids(
    interactions: ir.Table, item_vocabulary: ir.Table, user_vocabulary: ir.Table
) -> ir.Table:
    """Return the interactions with the columns `item` and `user` (int32)."""
    return interactions.inner_join(
        item_vocabulary.select("item_id", "item"), "item_id"
    ).inner_join(user_vocabulary.select("user_id", "user"), "user_id")
