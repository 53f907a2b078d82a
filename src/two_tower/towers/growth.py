"""Larger copies of a trained model, for new items, users and feature values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.features import Feature
from two_tower.towers.two_tower import TwoTower
from two_tower.types import FIRST_ID, OUT_OF_VOCABULARY


@dataclass(frozen=True, eq=False)
class Growth:
    """Entities of a grown tower; earlier entities keep their indices.

    Attributes:
        n_entities: number of indices, reserved ones included.
        n_rows: rows of the id table, at least as many as before: `n_entities` to train
            new entities, or as many as before to leave them on the out-of-vocabulary
            row.
        features: name → `Feature`, the features of the tower; ids keep their meaning.
        values: name → `[n_entities, width]`, see `EntityTower.set_features`.
        is_trained: `[n_entities]` bool, see `EntityTower.set_trained`.
    """

    n_entities: int
    n_rows: int
    features: Mapping[str, Feature]
    values: Mapping[str, np.ndarray]
    is_trained: np.ndarray


def grow(
    towers: TwoTower,
    *,
    items: Growth,
    users: Growth | None,
    history_items: Growth | None = None,
    max_length: int | None = None,
) -> TwoTower:
    """Return a larger model in which every trained entity keeps its vector.

    New rows of a table, and rows that were never trained, start as copies of the
    out-of-vocabulary row, so that a new entity starts as an unknown one. New positions
    start as copies of the oldest one. Hashed tables do not change: a new entity shares
    its rows with others.

    Args:
        towers: a built model; it does not change.
        items: entities of the item tower.
        users: entities of the profile; None if they do not grow.
        history_items: entities of `history_item_tower`, if there is one; as many as
            `items`.
        max_length: longest history from now on; None, or less than before, changes
            nothing, nor does it in a model without histories.

    Raises:
        ValueError: if a table would shrink, if features differ, if users grow in a
            model without a profile, or if `history_items` is given without a
            `history_item_tower` or missing with one.
    """
    if users is not None and towers.profile is None:
        raise ValueError("the towers have no profile, so there are no users to grow")
    if (history_items is None) != (towers.history_item_tower is None):
        raise ValueError(
            "history items grow with candidates; give history_items if, and only if, "
            "the towers have a history_item_tower"
        )
    config = towers.get_config()
    parts = {"item_tower": items, "history_item_tower": history_items, "profile": users}
    growths = {name: growth for name, growth in parts.items() if growth is not None}
    for name, growth in growths.items():
        _check(name, getattr(towers, name), growth)
        config[name]["config"] |= _sizes(growth)
    if 0 < towers.max_length < (max_length or 0):
        config["history_encoder"]["config"]["max_length"] = max_length

    grown = TwoTower.from_config(config)
    # Layers and positions here; tables and stored values of entities below.
    for old, new in zip(towers.weights, grown.weights, strict=True):
        new.assign(_fitted(np.asarray(old), new.shape))
    for name, growth in growths.items():
        _fill(getattr(grown, name), getattr(towers, name), growth)
    return grown


def _sizes(growth: Growth) -> dict[str, Any]:
    return {
        "n_entities": growth.n_entities,
        "n_rows": growth.n_rows,
        "features": {name: asdict(f) for name, f in growth.features.items()},
    }


def _check(name: str, tower: EntityTower, growth: Growth) -> None:
    if list(growth.features) != list(tower.features):
        raise ValueError(
            f"the {name} was trained with the features {list(tower.features)}, not "
            f"{list(growth.features)}; to change features, train a new model: kedro run"
        )
    sizes = {
        "entities": (tower.n_entities, growth.n_entities),
        "rows": (tower.n_rows, growth.n_rows),
    } | {
        f"values of {feature}": (old.feature.size, growth.features[feature].size)
        for feature, old in tower.features.items()
    }
    for what, (before, after) in sizes.items():
        if after < before:
            raise ValueError(
                f"the {name} has {before} {what} and cannot shrink to {after}; extend "
                "the vocabulary that it was trained with"
            )


def _fill(new: EntityTower, old: EntityTower, growth: Growth) -> None:
    """Assign the tables and stored values of a grown tower."""
    if old.use_id and old.hashed_id is None:
        used = np.asarray(old.id_rows)[FIRST_ID:]
        new.table.assign(_grown_table(old.table, growth.n_rows, used))
    for name, feature in old.features.items():
        if feature.feature.is_dense or feature.hashed is not None:
            continue
        used = np.arange(FIRST_ID, feature.feature.size)
        table = _grown_table(feature.table, growth.features[name].size, used)
        new.features[name].table.assign(table)
    new.set_features(growth.values)
    new.set_trained(growth.is_trained)


def _fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array cut to a shape, or padded with copies of its last rows."""
    kept = array[tuple(slice(size) for size in shape)]
    missing = [(0, size - has) for has, size in zip(kept.shape, shape, strict=True)]
    return np.pad(kept, missing, mode="edge")


def _grown_table(table: Any, n_rows: int, used: np.ndarray) -> np.ndarray:
    """Return `[n_rows, E]`: used rows unchanged, others copies of row 1."""
    before = np.asarray(table)
    after = np.tile(before[OUT_OF_VOCABULARY], (n_rows, 1))
    after[used] = before[used]
    return after
