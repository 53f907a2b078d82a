"""New items in a trained model, represented by their features alone."""

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
from two_tower.serving.build import longest_item_norm
from two_tower.serving.query_tower import QueryTower
from two_tower.serving.requests import feature_rows
from two_tower.serving.vocabularies import Vocabularies
from two_tower.types import FIRST_ID, OUT_OF_VOCABULARY

if TYPE_CHECKING:  # Kedro opens what uses this module, and must not import Keras
    from two_tower.towers.entity_tower import EntityTower
    from two_tower.towers.growth import Growth


def add_items(tower: QueryTower, items: ir.Table) -> QueryTower:
    """Return the query tower with new items appended to its vocabulary.

    Nothing is trained: the vector of a new item is made of its features and the
    out-of-vocabulary id. All other vectors stay as they are, unless the towers don't
    normalise and a new item is the longest of all, which rescales all vectors.

    Args:
        tower: is not changed.
        items: `item_id` (unique) and the columns of item features; items of the
            vocabulary are skipped.

    Raises:
        ValueError: if the model has no item features, the ids are of another type
            than the model's, or a column is missing.
    """
    from two_tower.towers.growth import grow

    if not tower.towers.item_tower.features:
        raise ValueError(
            "the model has no item features, so all new items would get the same "
            "vector; train with item features, or retrain with the new items"
        )
    deployed = tower.vocabularies
    table = vocabularies.add_items(ibis.memtable(deployed.items), items).to_pyarrow()
    grown = replace(
        deployed,
        items=table,
        schema=deployed.schema | {"n_items": FIRST_ID + table.num_rows},
    )
    new = table.slice(deployed.items.num_rows)
    encoded = _encode_new_items(new, items, deployed)
    history_items = tower.towers.history_item_tower
    towers = grow(
        tower.towers,
        items=_growth(tower.towers.item_tower, encoded),
        users=None,
        history_items=(
            None if history_items is None else _growth(history_items, encoded)
        ),
    )
    return replace(
        tower,
        towers=towers,
        vocabularies=grown,
        largest_norm=longest_item_norm(towers, table.num_rows),
    )


def _encode_new_items(
    new: pa.Table, items: ir.Table, deployed: Vocabularies
) -> pa.Table:
    """Return the new items' features, encoded with the deployed vocabulary."""
    declared = deployed.declared.of("item")
    entities = with_columns(ibis.memtable(new), "item", items, declared)
    values = ibis.memtable(deployed.values)
    return encode_features(
        entities, "item", values, declared, deployed.schema["item"]
    ).to_pyarrow()


def _growth(tower: EntityTower, encoded: pa.Table) -> Growth:
    """Return the sizes and feature values of a tower grown by the new items."""
    from two_tower.towers.growth import Growth

    values = {
        name: _append(np.asarray(embedding.values), encoded[name])
        for name, embedding in tower.features.items()
    }
    n_entities = tower.n_entities + encoded.num_rows
    has_embedding = np.zeros(n_entities, bool)
    has_embedding[: tower.n_entities] = _has_embedding(tower)
    return Growth(
        n_entities=n_entities,
        n_rows=tower.n_rows,
        features={
            name: replace(embedding.feature, width=values[name].shape[1])
            for name, embedding in tower.features.items()
        },
        values=values,
        is_trained=has_embedding,
    )


def _has_embedding(tower: EntityTower) -> npt.NDArray[np.bool_]:
    """Return `[n_entities]` bool, whether an entity has an id embedding of its own."""
    if not tower.use_id:
        return np.zeros(tower.n_entities, bool)
    has_own: npt.NDArray[np.bool_] = np.asarray(tower.id_rows) != OUT_OF_VOCABULARY
    return has_own


def _append(stored: np.ndarray, column: pa.ChunkedArray) -> np.ndarray:
    """Return the stored values with the new ones appended, padded to one width."""
    new = feature_rows(column, stored.shape[1])
    padding = new.shape[1] - stored.shape[1]
    return np.concatenate([np.pad(stored, ((0, 0), (0, padding))), new])
