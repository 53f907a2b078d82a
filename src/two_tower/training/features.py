"""The declared features that each tower reads.

`schema` is entity (`item` or `user`) → feature → its `kind`, and `opt_in` if it is off
by default, as in the feature schema.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from two_tower.towers.multi_interest.history import MultiInterestHistory
from two_tower.towers.params import EntityParams
from two_tower.training.params import Training
from two_tower.types import ID, Entity, JsonObject

Schema = Mapping[str, Mapping[str, Any]]

DENSE = "dense"


def chosen_features(features: Schema, options: EntityParams) -> JsonObject:
    """Return the features that a tower reads, out of those of its entity."""
    if not options.use_features:
        return {}
    return {
        name: about
        for name, about in features.items()
        if options.features.get(name, not about.get("opt_in", False))
    }


def fit_to_features(parameters: Training, schema: Mapping[str, Schema]) -> Training:
    """Return the parameters with the names of declared features only.

    Undeclared names are left out if `optional_features` has them. Without any feature
    for it, the category of `multi_interest` is made of all features of the item tower,
    numbers apart, or of the id.

    Args:
        parameters: of training.
        schema: the declared features.

    Raises:
        ValueError: an option names a feature that is neither declared nor optional, or
            the declared ones are not enough.
    """
    left_out = undeclared_features(parameters, schema)
    given = parameters.model_dump()
    for tower in _towers(parameters):
        for group in ("features", "hashes"):
            options = given[tower][group]
            given[tower][group] = {
                name: option for name, option in options.items() if name not in left_out
            }
    fitted = Training.model_validate(given)
    for tower, entity in _towers(fitted).items():
        _check_tower(fitted, tower, entity, schema[entity])
    _check_views(fitted, schema["item"])
    if isinstance(fitted.history.chosen, MultiInterestHistory):
        category = _category(fitted, schema["item"], left_out)
        given["history"]["multi_interest"]["category"] = category
        fitted = Training.model_validate(given)
    return fitted


def undeclared_features(parameters: Training, schema: Mapping[str, Schema]) -> set[str]:
    """Return the optional features that options name and the data do not declare.

    Raises:
        ValueError: an option names one that is not optional.
    """
    left_out = set()
    for option, entity, names in _named_features(parameters):
        unknown = sorted({*names} - {*schema[entity], ID})
        for name in unknown:
            if name not in parameters.optional_features:
                raise ValueError(
                    f"training.{option} names {name!r}, which is no feature of the "
                    f"{entity}s (these have {_listed(schema[entity])}). Declare it: "
                    f"sequencing: {{ features: {{ {entity}: {{ {name}: {{ kind: "
                    "categorical } } } }, with its column in ingestion.features; or "
                    f"drop it from training.{option}"
                )
        left_out |= {*unknown}
    return left_out


def wanted_features(parameters: Training, entity: Entity) -> set[str]:
    """Return the features of an entity that the towers must find declared."""
    names = {
        name
        for tower, of in _towers(parameters).items()
        if of == entity and (options := getattr(parameters, tower)).use_features
        for name, is_read in options.features.items()
        if is_read
    }
    return names - {*parameters.optional_features}


def _towers(parameters: Training) -> dict[str, Entity]:
    """Return the entity towers in use, by the name of their parameters."""
    towers: dict[str, Entity] = {"item_tower": "item"}
    if parameters.history_items == "separate":
        towers["history_item_tower"] = "item"
    if parameters.profile.use:
        towers["profile"] = "user"
    return towers


def _named_features(
    parameters: Training,
) -> Iterable[tuple[str, Entity, Iterable[str]]]:
    """Yield each option in use that names features, with its entity and the names."""
    for tower, entity in _towers(parameters).items():
        options = getattr(parameters, tower)
        yield f"{tower}.features", entity, options.features
        yield f"{tower}.hashes", entity, options.hashes
    history = parameters.history
    yield f"history.{history.kind}.category", "item", history.chosen.item_features


def _check_tower(
    parameters: Training, tower: str, entity: Entity, features: Schema
) -> None:
    """Refuse a tower whose options the declared features can't meet."""
    options: EntityParams = getattr(parameters, tower)
    read = chosen_features(features, options)
    declare = (
        f"declare one, such as sequencing: {{ features: {{ {entity}: {{ colour: {{ "
        "kind: categorical } } } }, with its column in ingestion.features"
    )
    if not read and not options.use_id:
        raise ValueError(
            f"training.{tower}.use_id is false and the {entity}s have no features to "
            f"read, so all would be alike; set use_id to true, or {declare}"
        )
    if not read and options.id_dropout:
        raise ValueError(
            f"training.{tower}.id_dropout is {options.id_dropout}, but the {entity}s "
            "have no features to read, so nothing would be left of one without its "
            f"id; set id_dropout to 0, or {declare}"
        )
    parts = {*read, *([ID] if options.use_id else [])}
    if absent := sorted({*options.hashes} - parts):
        raise ValueError(
            f"training.{tower}.hashes names {', '.join(absent)}, which the tower does "
            f"not read; it reads {_listed(parts)}. Drop the name"
        )
    for name in options.hashes:
        if name in read and read[name]["kind"] == DENSE:
            raise ValueError(
                f"training.{tower}.hashes names {name!r}, but it is a number, which "
                "has no ids; drop the name"
            )


def _check_views(parameters: Training, features: Schema) -> None:
    """Refuse self-supervision of fewer than two parts that can be masked."""
    options, tower = parameters.self_supervision, parameters.item_tower
    maskable = _without_numbers(chosen_features(features, tower))
    parts = [*maskable, *([ID] if tower.use_id else [])]
    if options.kind != "none" and len(parts) < 2:  # noqa: PLR2004 (mask one, keep one)
        raise ValueError(
            f"training.self_supervision.kind is {options.kind!r}, which masks parts "
            f"of items, but the item tower has only {_listed(parts)} to mask; declare "
            "another feature, such as sequencing: { features: { item: { colour: { "
            "kind: categorical } } } }, or set kind to none"
        )


def _category(
    parameters: Training, features: Schema, left_out: Iterable[str]
) -> list[str]:
    """Return the parts of the item tower whose mean is an item's category.

    Raises:
        ValueError: if the item tower does not read one of them.
    """
    tower = parameters.item_tower
    read = chosen_features(features, tower)
    asked = parameters.history.chosen.item_features
    named = [name for name in asked if name not in left_out]
    parts = [*read, *([ID] if tower.use_id else [])]
    if absent := [name for name in named if name not in parts]:
        switches = " and ".join(
            "use_id=true" if name == ID else f"features.{name}=true" for name in absent
        )
        raise ValueError(
            f"training.history.multi_interest.category names {', '.join(absent)}, "
            f"which the item tower does not read; it reads {_listed(parts)}. Set "
            f"training.item_tower.{switches}, or name others"
        )
    return named or _without_numbers(read) or ([ID] if tower.use_id else [*read])


def _without_numbers(features: Schema) -> list[str]:
    return [name for name, about in features.items() if about["kind"] != DENSE]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
