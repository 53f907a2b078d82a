"""Vocabularies: the item index of each item id, the user index of each user id.

A vocabulary can grow from a deployed one. Deployed ids keep their index, even if the
data no longer have them; new ids get the next indices.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.splits import TRAIN
from two_tower.types import FIRST_ID, JsonObject


@dataclass(frozen=True, eq=False)
class DeployedVocabularies:
    """Vocabularies of the deployed query tower, from which those of a retraining grow.

    Attributes:
        items: as from `item_vocabulary`.
        users: as from `user_vocabulary`.
        values: feature vocabulary, as from `features.vocabulary.feature_vocabulary`.
        schema: feature schema: kind and size of each feature.
        rules: parameters that selected, ordered and split the data of the training,
            `sequencing.<group>` → values.
    """

    items: ir.Table
    users: ir.Table
    values: ir.Table
    schema: JsonObject
    rules: JsonObject


def item_vocabulary(
    split_interactions: ir.Table, items: ir.Table, deployed: ir.Table | None = None
) -> ir.Table:
    """Number the items of all kept interactions, in order of `item_id`.

    Args:
        split_interactions: `item_id` and `split`, one row per interaction.
        items: `item_id` (unique) and, if the data have it, `title`.
        deployed: an item vocabulary to grow from.

    Returns:
        One row per item, by `item`: `item` (int32, from 2 on), `item_id`, `title`
        (string or null), `n_train` (int64, training interactions; 0: cold item).

    Raises:
        ValueError: the ids are of another type than the deployed ones.
    """
    counts = _count_training(split_interactions, "item")
    return _titled(_numbered(counts, "item", deployed), items, deployed)


def user_vocabulary(
    split_interactions: ir.Table, deployed: ir.Table | None = None
) -> ir.Table:
    """Number the users of all kept interactions, in order of `user_id`.

    Args:
        split_interactions: `user_id` and `split`, one row per interaction.
        deployed: a user vocabulary to grow from.

    Returns:
        One row per user, by `user`: `user` (int32, from 2 on), `user_id`, `n_train`
        (int64, training interactions; 0: cold user).

    Raises:
        ValueError: the ids are of another type than the deployed ones.
    """
    counts = _count_training(split_interactions, "user")
    numbered = _numbered(counts, "user", deployed)
    return numbered.select("user", "user_id", "n_train").order_by("user")


def recounted(vocabulary: ir.Table, interactions: ir.Table, entity: str) -> ir.Table:
    """Return a vocabulary with the interactions of each entity as `n_train`.

    Args:
        vocabulary: as from `item_vocabulary` or `user_vocabulary`.
        interactions: `<entity>_id`, one row per interaction that is trained on.
        entity: `item` or `user`.
    """
    key = f"{entity}_id"
    counts = interactions.group_by(key).agg(_n=_.count())
    joined = vocabulary.drop("n_train").left_join(counts, key)
    found = joined.mutate(n_train=_["_n"].fill_null(0).cast("int64"))
    return found.select(vocabulary.columns).order_by(entity)


def add_items(deployed: ir.Table, items: ir.Table) -> ir.Table:
    """Return an item vocabulary with new items after the deployed ones, as cold items.

    Args:
        deployed: as from `item_vocabulary`.
        items: `item_id` (unique) and, if the data have it, `title`.

    Returns:
        The columns of `deployed`; its rows keep their `item` and `n_train`.

    Raises:
        ValueError: the ids are of another type than the deployed ones.
    """
    counts = items.select("item_id", n_train=ibis.literal(0, "int64"))
    numbered = _numbered(counts, "item", deployed).drop("n_train")
    counted = numbered.left_join(deployed.select("item_id", "n_train"), "item_id")
    return _titled(
        counted.select("item", "item_id", n_train=_.n_train.fill_null(0)),
        items,
        deployed,
    )


def _count_training(split_interactions: ir.Table, entity: str) -> ir.Table:
    return split_interactions.group_by(f"{entity}_id").agg(
        n_train=(_.split == TRAIN).cast("int64").sum()
    )


def _numbered(counts: ir.Table, entity: str, deployed: ir.Table | None) -> ir.Table:
    """Return `<entity>_id`, `n_train` and `<entity>`, deployed ones first."""
    key = f"{entity}_id"
    entries = counts.mutate(_deployed=ibis.null("int32"))
    if deployed is not None:
        _check_type(counts[key], deployed[key], entity)
        kept = deployed.select(
            key, n_train=ibis.literal(0, "int64"), _deployed=deployed[entity]
        )
        entries = (
            entries.union(kept)
            .group_by(key)
            .agg(n_train=_.n_train.sum(), _deployed=_["_deployed"].max())
        )
    order = [entries["_deployed"].isnull(), entries["_deployed"], entries[key]]
    rank = ibis.row_number().over(order_by=order)
    return entries.select(key, "n_train", **{entity: (rank + FIRST_ID).cast("int32")})


def _check_type(found: ir.Column, deployed: ir.Column, entity: str) -> None:
    if found.type() != deployed.type():
        raise ValueError(
            f"the {entity} ids are {found.type()}, but those of the deployed "
            f"vocabulary are {deployed.type()}: none would be found there. Read the "
            "ids with the deployed type (ingestion.ids), or train a new model: kedro "
            "run"
        )


def _titled(numbered: ir.Table, items: ir.Table, deployed: ir.Table | None) -> ir.Table:
    """Return the items with their title in the data, or else the deployed one."""
    titled = numbered.mutate(title=ibis.null("string"))
    for table in (deployed, items):  # the last title wins
        if table is None or "title" not in table.columns:
            continue
        ids = table.item_id.cast(numbered.item_id.type())
        titles = table.select(item_id=ids, _new=table.title.cast("string"))
        joined = titled.left_join(titles, "item_id")
        titled = joined.select(
            "item", "item_id", "n_train", title=joined["_new"].fill_null(joined.title)
        )
    return titled.select("item", "item_id", "title", "n_train").order_by("item")


def with_indices(
    interactions: ir.Table, item_vocabulary: ir.Table, user_vocabulary: ir.Table
) -> ir.Table:
    """Return the interactions with their item and user index, `item` and `user`.

    Args:
        interactions: `item_id`, `user_id` and others; ids that a vocabulary lacks are
            dropped.
        item_vocabulary: `item_id` and `item` (int32).
        user_vocabulary: `user_id` and `user` (int32).
    """
    return interactions.inner_join(
        item_vocabulary.select("item_id", "item"), "item_id"
    ).inner_join(user_vocabulary.select("user_id", "user"), "user_id")
