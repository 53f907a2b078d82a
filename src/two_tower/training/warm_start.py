"""Warm start: towers resumed from deployed ones."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.growth import Growth, grow
from two_tower.towers.two_tower import TwoTower
from two_tower.training.inputs import Entities, ModelInputs

# Options that may differ from those of the deployed towers.
FREE = {"name", "seed", "max_length"}
# Options that grow with the vocabularies.
SIZES = {"n_entities", "n_rows", "size", "width"}


def warm_towers(
    untrained: TwoTower, inputs: ModelInputs, deployed: TwoTower
) -> TwoTower:
    """Return the deployed towers, grown by the new entities of the inputs.

    Entities that the deployed towers were trained on stay trained, whether the data
    hold them or not. A new entity starts out of vocabulary.

    Args:
        untrained: towers that the parameters describe.
        inputs: the model inputs, whose indices extend those of the deployed towers.
        deployed: the towers to resume from; they are not changed.

    Raises:
        ValueError: if the deployed towers have other options than the untrained ones.
    """
    items = _with_earlier(inputs.items, deployed.item_tower)
    users = inputs.users and _with_earlier(inputs.users, deployed.profile)
    history_items = inputs.history_items and _with_earlier(
        inputs.history_items, deployed.history_item_tower
    )
    found, wanted = _options(deployed), _options(untrained)
    if found != wanted:
        differing = sorted(
            name
            for name in found.keys() | wanted.keys()
            if found.get(name) != wanted.get(name)
        )
        what = ", ".join(
            f"{name} is {found.get(name)} there and {wanted.get(name)} here"
            for name in differing[:5]
        )
        raise ValueError(
            "the parameters of training do not describe the deployed towers, which a "
            f"retraining resumes from: {what}; set the parameters that they were "
            "trained with, or train a new model: kedro run"
        )
    return grow(
        deployed,
        items=_growth(items),
        users=_growth(users) if users is not None else None,
        history_items=_growth(history_items) if history_items is not None else None,
        max_length=untrained.max_length,
    )


def _with_earlier(entities: Entities, tower: EntityTower | None) -> Entities:
    """Return the entities; those that the tower was trained on count as trained."""
    if tower is None or not tower.use_id:
        return entities
    ids = np.arange(tower.n_entities)
    is_trained = entities.is_trained.copy()
    is_trained[: len(ids)] |= np.asarray(tower.id_rows) == ids
    return replace(entities, is_trained=is_trained)


def _growth(entities: Entities) -> Growth:
    return Growth(
        entities.n_entities,
        entities.n_entities,
        entities.features,
        entities.values,
        entities.is_trained,
    )


def _options(towers: TwoTower) -> dict[str, Any]:
    """Return the options of towers by dotted name, without those that may differ."""
    return {
        ".".join(path): value
        for path, value in _leaves(towers.get_config())
        if not _may_differ(path)
    }


def _may_differ(path: tuple[str, ...]) -> bool:
    """Return whether an option may differ; its ancestors may be names of features."""
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
