"""Vocabularies: raw ids and feature values of a model's indices."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from two_tower.features.registry import Features
from two_tower.index.vectors import plain_ids
from two_tower.recommend.ids import IdLookup
from two_tower.types import FIRST_ID, JsonObject

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "items": ("item", "item_id", "title", "n_train"),
    "users": ("user", "user_id", "n_train"),
    "values": ("entity", "feature", "value", "id", "count"),
}


@dataclass(frozen=True, eq=False)
class Vocabularies:
    """Items, users and feature values with their indices.

    Attributes:
        items: `item` (int32, from 2 without gaps, rising), `item_id`, `title` (string
            or null), `n_train` (int64, training interactions; 0 is a cold item).
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
        """Check that no column is missing and no index is skipped.

        Raises:
            ValueError: naming the table.
        """
        for name, columns in COLUMNS.items():
            missing = set(columns) - set(getattr(self, name).column_names)
            if missing:
                raise ValueError(f"the vocabulary of {name} lacks {sorted(missing)}")
        for name, key in (("items", "item"), ("users", "user")):
            indices = getattr(self, name)[key].to_numpy()
            if not np.array_equal(indices, np.arange(len(indices)) + FIRST_ID):
                raise ValueError(
                    f"the {key} indices of the {name} don't rise from {FIRST_ID} "
                    "without gaps; run: kedro run --pipelines sequencing"
                )

    @cached_property
    def item_lookup(self) -> IdLookup:
        """Finds the row of an item; its item index is the row plus 2."""
        ids = plain_ids(self.items["item_id"])
        return IdLookup(ids, what="items", where="the model")

    @cached_property
    def user_lookup(self) -> IdLookup:
        """Finds the row of a user; its user index is the row plus 2."""
        ids = plain_ids(self.users["user_id"])
        return IdLookup(ids, what="users", where="the model")
