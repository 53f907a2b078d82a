"""What the dense ids of a model stand for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from two_tower.features.registry import Features
from two_tower.index.vectors import plain_ids
from two_tower.recommend.ids import IdLookup
from two_tower.types import FIRST_ID, JsonObject

Entity: TypeAlias = Literal["item", "user"]

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "items": ("item", "item_id", "title", "n_train"),
    "users": ("user", "user_id", "n_train"),
    "values": ("entity", "feature", "value", "id", "count"),
}


@dataclass(frozen=True, eq=False)
class Vocabularies:
    """Items, users and feature values with their dense ids.

    Attributes:
        items: `item` (int32, from 2 without gaps, rising), `item_id`, `title` (string
            or null), `n_train` (int64, interactions of the training; 0 is a cold item).
        users: `user` (int32, as `item`), `user_id`, `n_train`.
        values: `entity` ("item" or "user"), `feature`, `value` (strings), `id`
            (int32, from 2), `count` (int64).
        schema: kind and size of each feature, `n_items` and `n_users`.
        declared: which columns the features are read from.
    """

    items: pa.Table
    users: pa.Table
    values: pa.Table
    schema: JsonObject
    declared: Features

    def __post_init__(self) -> None:
        """Refuse tables that lack a column, or dense ids with gaps.

        Raises:
            ValueError: naming the table.
        """
        for name, columns in COLUMNS.items():
            missing = set(columns) - set(getattr(self, name).column_names)
            if missing:
                raise ValueError(f"the vocabulary of {name} lacks {sorted(missing)}")
        for name, key in (("items", "item"), ("users", "user")):
            dense = getattr(self, name)[key].to_numpy()
            if not np.array_equal(dense, np.arange(len(dense)) + FIRST_ID):
                raise ValueError(
                    f"the dense ids of the {name} don't go from {FIRST_ID} on without "
                    "gaps; run the sequencing pipeline again"
                )

    @cached_property
    def item_lookup(self) -> IdLookup:
        """Finds items; their dense id is the position and 2."""
        ids = plain_ids(self.items["item_id"])
        return IdLookup(ids, what="items", where="the model")

    @cached_property
    def user_lookup(self) -> IdLookup:
        """Finds users; their dense id is the position and 2."""
        ids = plain_ids(self.users["user_id"])
        return IdLookup(ids, what="users", where="the model")
