"""Stored histories: what known users have done, for requests that bring an id alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import ibis
import pyarrow as pa

from two_tower.index.vectors import plain_ids
from two_tower.recommend.ids import IdLookup
from two_tower.recommend.recommender import ItemId
from two_tower.recommend.seen_filter import collect_seen
from two_tower.sequences.expressions import or_empty

if TYPE_CHECKING:
    import ibis.expr.types as ir

LISTS = ("item_ids", "timestamps", "ratings")


class StoredUser(NamedTuple):
    """History of a user, and all that the user has seen.

    Attributes:
        item_ids: raw ids, oldest first.
        timestamps: whole seconds since 1970 (UTC) of each item, None where unknown.
        ratings: of each item, None where there is none.
        seen_ids: raw ids of the items of all interactions, those too that the selection
            dropped.
    """

    item_ids: list[ItemId]
    timestamps: list[int | None]
    ratings: list[float | None]
    seen_ids: list[ItemId]


@dataclass(frozen=True, eq=False)
class StoredHistories:
    """Histories of all users, held in memory: about 30 bytes per interaction.

    Attributes:
        rows: `user_id` (int64 or string, unique) and the lists `item_ids`,
            `timestamps` (int64), `ratings` (float32) and `seen_ids`, none of them null.
    """

    rows: pa.Table

    @classmethod
    def read(cls, histories: ir.Table, interactions: ir.Table) -> StoredHistories:
        """Read the tables that a run saves.

        Args:
            histories: `user_id`, `item_ids`, `timestamps` (array<int64>) and `ratings`
                (array<float32>), oldest first.
            interactions: `user_id`, `item_id`; a user without a row in `histories` has
                an empty history.
        """
        seen = collect_seen(interactions)
        users = seen.join(
            histories.select("user_id", *LISTS), "user_id", how="outer"
        ).mutate(user_id=ibis.coalesce(ibis._.user_id, ibis._.user_id_right))
        lists = {name: or_empty(users[name]) for name in (*LISTS, "seen_ids")}
        return cls(users.select("user_id", **lists).to_pyarrow().combine_chunks())

    def require_types(self, users: pa.DataType, items: pa.DataType) -> None:
        """Raise an error if ids are of other types than those of a model.

        Raises:
            ValueError: naming both types.
        """
        seen = self.rows["seen_ids"].type.value_type
        found = {"users": (self._lookup.ids.type, users), "items": (seen, items)}
        for what, (stored, expected) in found.items():
            if stored != expected:
                raise ValueError(
                    f"the ids of the stored {what} are {stored}, but those of the "
                    f"model are {expected}; store the histories of the model's data"
                )

    @cached_property
    def _lookup(self) -> IdLookup:
        ids = plain_ids(self.rows["user_id"])
        return IdLookup(ids, what="users", where="the stored histories")

    def find(self, user_id: ItemId) -> StoredUser | None:
        """Return a user's items, or None if nothing is stored of the user."""
        (row,) = self._lookup.find([user_id])
        if row < 0:
            return None
        (found,) = self.rows.slice(row, 1).to_pylist()
        return StoredUser(*(found[name] for name in StoredUser._fields))
