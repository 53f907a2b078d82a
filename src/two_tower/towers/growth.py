"""Give a trained model room for new items, users and feature values."""

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
    """The entities of one tower from now on; those it has keep their dense ids.

    Attributes:
        n_entities: dense ids, the reserved ones included.
        n_rows: rows of the id table, at least as many as it has. `n_entities` before
            training goes on; the tower's own `n_rows` for new entities that nothing is
            trained for, which share the out-of-vocabulary row.
        features: name → `Feature`, those that the tower has; ids keep their meaning.
        values: name → `[n_entities, width]`, as `EntityTower.set_features` takes them.
        known: `[n_entities]` bool, as `EntityTower.set_known` takes it.
    """

    n_entities: int
    n_rows: int
    features: Mapping[str, Feature]
    values: Mapping[str, np.ndarray]
    known: np.ndarray


def grow(
    towers: TwoTower,
    *,
    items: Growth,
    users: Growth | None,
    history_items: Growth | None = None,
    max_length: int | None = None,
) -> TwoTower:
    """Return a larger model that gives every entity it knew the vector it had.

    Each new row of a table, and each that training has not used so far, starts as a
    copy of the out-of-vocabulary row, so that a new entity starts as an unknown one.
    Positions further back than any so far start as the furthest one. Hashed tables
    stay as they are: a new entity has the rows that its id shares with others.

    Args:
        towers: a built model; it stays as it is.
        items: of the item tower.
        users: of the profile; None leaves it as it is.
        history_items: of the tower that embeds the items of histories, if they have
            one of their own; as many items as `items`.
        max_length: the longest history from now on; None, or less than before, leaves
            it as it is, and a model that reads no history has no use for it.

    Raises:
        ValueError: if a table would shrink, a feature is new or gone, users grow in a
            model without a profile, or items in one tower and not in the other.
    """
    if users is not None and towers.profile is None:
        raise ValueError("the towers have no profile, so there are no users to grow")
    if (history_items is None) != (towers.history_item_tower is None):
        raise ValueError(
            "the items of histories grow with those of candidates; give history_items "
            "if, and only if, the towers have a history_item_tower"
        )
    config = towers.get_config()
    asked = {"item_tower": items, "history_item_tower": history_items, "profile": users}
    growths = {name: growth for name, growth in asked.items() if growth is not None}
    for name, growth in growths.items():
        _check(name, getattr(towers, name), growth)
        config[name]["config"] |= _sizes(growth)
    if 0 < towers.max_length < (max_length or 0):
        config["history_encoder"]["config"]["max_length"] = max_length

    grown = TwoTower.from_config(config)
    # Layers and positions; tables and what is stored of entities come after.
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
            f"the {name} was trained on the features {list(tower.features)}, and is to "
            f"have {list(growth.features)}; train anew to change them"
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
                f"the {name} has {before} {what} and cannot shrink to {after}; grow "
                "the vocabulary that it was trained with"
            )


def _fill(new: EntityTower, old: EntityTower, growth: Growth) -> None:
    """Give a grown tower its tables, and what is stored of its entities."""
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
    new.set_known(growth.known)


def _fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array cut to a shape, or with its last rows again and again."""
    kept = array[tuple(slice(size) for size in shape)]
    missing = [(0, size - has) for has, size in zip(kept.shape, shape, strict=True)]
    return np.pad(kept, missing, mode="edge")


def _grown_table(table: Any, n_rows: int, used: np.ndarray) -> np.ndarray:
    """Return `[n_rows, E]`: rows in use as they are, all others out of vocabulary."""
    before = np.asarray(table)
    after = np.tile(before[OUT_OF_VOCABULARY], (n_rows, 1))
    after[used] = before[used]
    return after
