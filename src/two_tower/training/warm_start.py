"""Towers that go on from deployed ones."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.growth import Growth, grow
from two_tower.towers.two_tower import TwoTower
from two_tower.training.inputs import Entities, ModelInputs

# What may differ: what a layer is called, what it draws, how long histories were.
FREE = {"name", "seed", "max_length"}
# What grows.
SIZES = {"n_entities", "n_rows", "size", "width"}


def warm_towers(asked: TwoTower, inputs: ModelInputs, deployed: TwoTower) -> TwoTower:
    """Return the deployed towers, grown by what is new in the inputs.

    What the deployed towers knew they go on knowing, be it in the data or not. A new
    entity starts as an unknown one.

    Args:
        asked: untrained towers, as the parameters describe them.
        inputs: the model inputs; dense ids of before have kept their meaning.
        deployed: the towers to go on from; they stay as they are.

    Raises:
        ValueError: if the deployed towers are of another make than those asked for.
    """
    items = _with_earlier(inputs.items, deployed.item_tower)
    users = inputs.users and _with_earlier(inputs.users, deployed.profile)
    of_histories = inputs.history_items and _with_earlier(
        inputs.history_items, deployed.history_item_tower
    )
    found, wanted = _options(deployed), _options(asked)
    if found != wanted:
        differing = sorted(
            name
            for name in found.keys() | wanted.keys()
            if found.get(name) != wanted.get(name)
        )
        what = ", ".join(
            f"{name} is {found.get(name)}, to be {wanted.get(name)}"
            for name in differing[:5]
        )
        raise ValueError(
            f"retraining goes on with the deployed towers, which the parameters of "
            f"training don't describe: {what}; set the parameters that they were "
            "trained with, or train anew"
        )
    return grow(
        deployed,
        items=_growth(items),
        users=_growth(users) if users is not None else None,
        history_items=_growth(of_histories) if of_histories is not None else None,
        max_length=asked.max_length,
    )


def _with_earlier(entities: Entities, tower: EntityTower | None) -> Entities:
    """Return the entities, those that the tower knew among the known ones."""
    if tower is None or not tower.use_id:
        return entities
    ids = np.arange(tower.n_entities)
    known = entities.known.copy()
    known[: len(ids)] |= np.asarray(tower.id_rows) == ids
    return replace(entities, known=known)


def _growth(entities: Entities) -> Growth:
    return Growth(
        entities.n_entities,
        entities.n_entities,
        entities.features,
        entities.values,
        entities.known,
    )


def _options(towers: TwoTower) -> dict[str, Any]:
    """Return what towers are made of, by dotted name, but for what may differ."""
    return {
        ".".join(path): value
        for path, value in _leaves(towers.get_config())
        if not _may_differ(path)
    }


def _may_differ(path: tuple[str, ...]) -> bool:
    """Judge by the leaf: what is above it may be the name of any feature."""
    is_of_feature = path[-3:-2] == ("features",)
    was_built_with = "build_config" in path and not is_of_feature
    return path[-1] in FREE | SIZES or was_built_with


def _leaves(
    config: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value
