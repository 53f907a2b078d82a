"""Features of items or users as the arrays that their towers store."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from two_tower.ragged import Ragged
from two_tower.towers.features import Feature
from two_tower.types import JsonObject

AS_TOWERS_READ: Final = {"rarest": "categorical", "value_set": "categorical"}
"""Kinds that are one id to a tower, whatever it was made of."""


def chosen_features(
    schema: JsonObject,
    *,
    tower: str,
    use_features: bool,
    switches: Mapping[str, bool],
) -> JsonObject:
    """Return the part of a feature schema that the tower is to use.

    Args:
        schema: feature → its `kind` and `size`, and `opt_in` if it is to be asked for.
        tower: its group of parameters, for the error's text.
        use_features: false for none at all.
        switches: feature → false leaves it out, true takes in one that is opt-in.

    Raises:
        ValueError: if a switch names a feature that the data don't have.
    """
    unknown = sorted(set(switches) - set(schema))
    if unknown:
        raise ValueError(
            f"training.{tower}.features names {unknown}, but the data have "
            f"{sorted(schema)}; declare features in sequencing.features"
        )
    if not use_features:
        return {}
    return {
        name: about
        for name, about in schema.items()
        if switches.get(name, not about.get("opt_in", False))
    }


def read_features(
    table: pa.Table, schema: JsonObject, entity: str, n_entities: int
) -> tuple[dict[str, Feature], dict[str, np.ndarray]]:
    """Return what the features are, and each entity's values.

    Args:
        table: `item` or `user` (int32) and a column for each feature of the schema.
        schema: feature → its `kind` and `size`.
        entity: the column of the dense ids, `item` or `user`.
        n_entities: how many dense ids there are, the reserved ones included.

    Returns:
        Name → `Feature`, and name → `[n_entities, width]` int32 or float32;
        reserved ids have zeros.
    """
    features, values = {}, {}
    for name, about in schema.items():
        column = _as_rows(table[name])
        stored = np.zeros((n_entities, column.shape[1]), column.dtype)
        stored[table[entity].to_numpy()] = column
        values[name] = stored
        kind = AS_TOWERS_READ.get(about["kind"], about["kind"])
        features[name] = Feature(kind, about.get("size", 1), column.shape[1])
    return features, values


def _as_rows(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    if not pa.types.is_list(column.type):
        return np.asarray(column)[:, None]
    lists = Ragged.from_arrow(column)
    return lists.pad(max(int(lists.lengths.max(initial=0)), 1))
