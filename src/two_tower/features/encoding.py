"""Features as numbers: what a tower reads in place of values.

`entity` and `known` are those of `features`.
"""

from collections.abc import Mapping
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
from ibis import _

from two_tower.features.params import DeclaredFeature
from two_tower.features.vocabulary import (
    DENSE,
    RAREST,
    count_listed,
    counts_of,
    feature_values,
)
from two_tower.sequences.expressions import or_empty
from two_tower.types import FIRST_ID, OUT_OF_VOCABULARY, PADDING, JsonObject

SEVERAL_VALUES: Final = {"multi_valued", "words"}


def describe_features(
    known: ir.Table,
    entity: str,
    vocabulary: ir.Table,
    features: Mapping[str, DeclaredFeature],
    deployed_schema: Mapping[str, Any] | None = None,
) -> JsonObject:
    """Return what a tower must know of each feature to build its table.

    Args:
        known: one row per entity, with a column per feature.
        entity: "item" or "user".
        vocabulary: as from `feature_vocabulary`.
        features: the declared features by name.
        deployed_schema: a schema to grow from: its dense features keep their scale, the
            values of its rarest ones their counts.

    Returns:
        By feature: `kind`, `column` and `prefix` (null for none) as declared, `opt_in`
        where it is true, and `size` (rows of an embedding table: the largest id and
        one), or for a dense one `mean` and `std` over the entities that training
        knows. For a `rarest` one `counts`, value → how many of these have it, or had
        it when it was first met; see `count_listed`.

    Raises:
        ValueError: a feature is declared otherwise than in `deployed_schema`.
    """
    earlier = deployed_schema or {}
    _require_same_meaning(entity, features, earlier)
    own = vocabulary.filter(_.entity == entity)
    counts = own.group_by("feature").agg(n=_.count()).to_pyarrow().to_pylist()
    n_values = {row["feature"]: row["n"] for row in counts}
    return {
        name: _meaning(name, one)
        | ({"opt_in": True} if one.opt_in else {})
        | (
            _scale(known, entity, name, earlier.get(name))
            if one.kind == DENSE
            else {"size": FIRST_ID + n_values.get(name, 0)}
        )
        | (
            _counts(known, entity, name, one, earlier.get(name))
            if one.kind == RAREST
            else {}
        )
        for name, one in features.items()
    }


def _meaning(name: str, one: DeclaredFeature) -> dict[str, Any]:
    """Return what an entity's values, and so the ids of them, depend on."""
    return {"kind": one.kind, "column": one.column or name, "prefix": one.prefix}


def _require_same_meaning(
    entity: str, features: Mapping[str, DeclaredFeature], known: Mapping[str, Any]
) -> None:
    """Refuse features that an earlier training read otherwise."""
    changed = {
        name: {
            option: known[name].get(option)
            for option, value in _meaning(name, one).items()
            if known[name].get(option) != value
        }
        for name, one in features.items()
        if name in known
    }
    if any(changed.values()):
        were = {name: options for name, options in changed.items() if options}
        raise ValueError(
            f"sequencing.features.{entity} differ from those of the known schema, "
            f"where they were {were}; declare these features as they were, or train "
            "anew instead of growing"
        )


def _counts(
    known: ir.Table,
    entity: str,
    name: str,
    one: DeclaredFeature,
    about: Mapping[str, Any] | None,
) -> dict[str, dict[str, int]]:
    table = count_listed(known, entity, name, one, about)
    counts = table.order_by("value").to_pyarrow()
    values, numbers = counts["value"].to_pylist(), counts["count"].to_pylist()
    return {"counts": dict(zip(values, numbers, strict=True))}


def _scale(
    known: ir.Table, entity: str, name: str, scale: Mapping[str, float] | None
) -> dict[str, float]:
    if scale is not None:
        return {"mean": scale["mean"], "std": scale["std"]}
    training = known.filter((_.n_train > 0) & _[name].notnull()).order_by(entity)
    # Summed in a fixed order: the last bits of an engine's own sum vary with threads.
    column = training.select(value=_[name].cast("float64")).to_pyarrow()["value"]
    numbers = column.to_numpy()
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return {"mean": 0.0, "std": 1.0}
    return {"mean": float(numbers.mean()), "std": float(numbers.std()) or 1.0}


def encode_features(
    known: ir.Table,
    entity: str,
    vocabulary: ir.Table,
    features: Mapping[str, DeclaredFeature],
    schema: Mapping[str, Any],
) -> ir.Table:
    """Return the features as numbers, one row per entity.

    Args:
        known: one row per entity, with a column per feature.
        entity: "item" or "user".
        vocabulary: as from `feature_vocabulary`.
        features: the declared features by name.
        schema: as from `describe_features`.

    Returns:
        Ordered by `<entity>` (int32), and per feature: categorical, rarest and value
        set → int32 id (0 missing, 1 unknown to the vocabulary); multi-valued and words
        → array<int32> of ascending ids, each once, empty where missing; dense →
        float32, standardised, 0 where missing.
    """
    encoded = known.select(entity)
    for name, one in features.items():
        if one.kind == DENSE:
            column = _standardised(known, entity, name, schema[name])
        else:
            own = vocabulary.filter((_.entity == entity) & (_.feature == name))
            counts = counts_of(schema[name]) if one.kind == RAREST else None
            values = feature_values(known, entity, name, one, counts)
            column = _ids(values, entity, name, own, one)
        encoded = encoded.left_join(column, entity).select(
            *encoded.columns, **{name: _filled(column[name])}
        )
    return encoded.order_by(entity)


def _standardised(
    known: ir.Table, entity: str, name: str, scale: Mapping[str, float]
) -> ir.Table:
    number = known[name].cast("float64")
    is_finite = number.notnull() & ~number.isnan() & ~number.isinf()
    scaled = ((number - scale["mean"]) / scale["std"]).cast("float32")
    return known.select(
        entity, **{name: is_finite.ifelse(scaled, ibis.null("float32"))}
    )


def _ids(
    values: ir.Table, entity: str, name: str, vocabulary: ir.Table, one: DeclaredFeature
) -> ir.Table:
    """Return `<entity>` and its id, or list of ids, for entities with any value."""
    joined = values.left_join(vocabulary.select("value", "id"), "value")
    ids = joined.select(entity, id=_.id.fill_null(OUT_OF_VOCABULARY).cast("int32"))
    if one.kind in SEVERAL_VALUES:
        return ids.distinct().group_by(entity).agg(**{name: _.id.collect().sort()})
    return ids.group_by(entity).agg(**{name: _.id.max()})


def _filled(column: ir.Column) -> ir.Column:
    return or_empty(column) if column.type().is_array() else column.fill_null(PADDING)
