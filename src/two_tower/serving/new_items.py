"""New items in a trained model, known by their content alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.features.encoding import encode_features
from two_tower.features.vocabulary import with_columns
from two_tower.sequences import vocabularies
from two_tower.serving.build import measure_items
from two_tower.serving.query_tower import QueryTower
from two_tower.serving.requests import feature_rows
from two_tower.serving.vocabularies import Vocabularies
from two_tower.types import FIRST_ID, OUT_OF_VOCABULARY

if TYPE_CHECKING:  # Kedro opens what uses this module, and must not import Keras
    from two_tower.towers.entity_tower import EntityTower
    from two_tower.towers.growth import Growth


def add_items(tower: QueryTower, items: ir.Table) -> QueryTower:
    """Return the query tower with the items that it lacks behind those that it has.

    Nothing is trained: a new item's vector is that of its features and of an unknown
    id. All other vectors stay as they are, unless the towers don't normalise and a new
    item is longer than all others, which changes the scale of all.

    Args:
        tower: stays as it is.
        items: `item_id` (unique) and the columns that item features are read from.

    Raises:
        ValueError: if the model knows items by their ids alone, the ids are of another
            type than the model's, or a column is missing.
    """
    from two_tower.towers.growth import grow

    if not tower.towers.item_tower.features:
        raise ValueError(
            "the model knows items by their ids alone, so that all new ones would be "
            "alike; train with item features, or retrain with the new items"
        )
    known = tower.vocabularies
    table = vocabularies.add_items(ibis.memtable(known.items), items).to_pyarrow()
    grown = replace(
        known,
        items=table,
        schema=known.schema | {"n_items": FIRST_ID + table.num_rows},
    )
    new = table.slice(known.items.num_rows)
    encoded = _encode_content(new, items, known)
    of_histories = tower.towers.history_item_tower
    towers = grow(
        tower.towers,
        items=_growth(tower.towers.item_tower, encoded),
        users=None,
        history_items=None if of_histories is None else _growth(of_histories, encoded),
    )
    return replace(
        tower,
        towers=towers,
        vocabularies=grown,
        largest_norm=measure_items(towers, table.num_rows),
    )


def _encode_content(new: pa.Table, items: ir.Table, known: Vocabularies) -> pa.Table:
    """Return the new items' features, by the values that training knows."""
    declared = known.declared.of("item")
    entities = with_columns(ibis.memtable(new), "item", items, declared)
    values = ibis.memtable(known.values)
    return encode_features(
        entities, "item", values, declared, known.schema["item"]
    ).to_pyarrow()


def _growth(tower: EntityTower, encoded: pa.Table) -> Growth:
    """Return a tower's sizes and values with the new items'."""
    from two_tower.towers.growth import Growth

    values = {
        name: _stacked(np.asarray(embedding.values), encoded[name])
        for name, embedding in tower.features.items()
    }
    n_entities = tower.n_entities + encoded.num_rows
    known = np.zeros(n_entities, bool)
    known[: tower.n_entities] = _known_ids(tower)
    return Growth(
        n_entities=n_entities,
        n_rows=tower.n_rows,
        features={
            name: replace(embedding.feature, width=values[name].shape[1])
            for name, embedding in tower.features.items()
        },
        values=values,
        known=known,
    )


def _known_ids(tower: EntityTower) -> npt.NDArray[np.bool_]:
    """Return `[n_entities]` bool, what has an embedding of its own."""
    if not tower.use_id:
        return np.zeros(tower.n_entities, bool)
    known: npt.NDArray[np.bool_] = np.asarray(tower.id_rows) != OUT_OF_VOCABULARY
    return known


def _stacked(stored: np.ndarray, column: pa.ChunkedArray) -> np.ndarray:
    """Return the stored values with the new ones below, all of one width."""
    below = feature_rows(column, stored.shape[1])
    padding = below.shape[1] - stored.shape[1]
    return np.concatenate([np.pad(stored, ((0, 0), (0, padding))), below])
