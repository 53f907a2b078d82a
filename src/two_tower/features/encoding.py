"""Encoded features: the ids and numbers that a tower reads in place of raw values.

`entity` and `entities` are those of the module `vocabulary`.
"""

from collections.abc import Mapping
from typing import Any

import ibis.expr.types as ir
from ibis import _

from two_tower.features.base import FeatureKind, VocabularyFeature
from two_tower.features.vocabulary import raw_values
from two_tower.sequences.expressions import or_empty
from two_tower.types import FIRST_ID, PADDING, JsonObject


def describe_features(
    entities: ir.Table,
    entity: str,
    vocabulary: ir.Table,
    features: Mapping[str, FeatureKind],
    deployed_schema: Mapping[str, Any] | None = None,
) -> JsonObject:
    """Return the feature schema of items or users.

    Args:
        entities: one row per entity, with a column per feature.
        entity: "item" or "user".
        vocabulary: as from `feature_vocabulary`.
        features: the declared features by name.
        deployed_schema: a schema to grow from; its statistics are kept.

    Returns:
        By feature: `kind`, `column` and `prefix` (null for none) as declared, `opt_in`
        if true, `size` (rows of an embedding table, the greatest id + 1) of a kind
        with a vocabulary, and the statistics of its kind, see `FeatureKind.fit`.

    Raises:
        ValueError: a feature is declared otherwise than in `deployed_schema`.
    """
    deployed = deployed_schema or {}
    _require_same_meaning(entity, features, deployed)
    own = vocabulary.filter(_.entity == entity)
    counts = own.group_by("feature").agg(n=_.count()).to_pyarrow().to_pylist()
    n_values = {row["feature"]: row["n"] for row in counts}
    schema: JsonObject = {}
    for name, one in features.items():
        schema[name] = one.meaning(name)
        if one.opt_in:
            schema[name]["opt_in"] = True
        if isinstance(one, VocabularyFeature):
            schema[name]["size"] = FIRST_ID + n_values.get(name, 0)
        raw = raw_values(entities, entity, name)
        schema[name] |= one.fit(raw, deployed.get(name))
    return schema


def _require_same_meaning(
    entity: str, features: Mapping[str, FeatureKind], deployed: Mapping[str, Any]
) -> None:
    """Refuse features whose values had other ids in the deployed schema."""
    changed = {
        name: {
            option: deployed[name].get(option)
            for option, value in one.meaning(name).items()
            if deployed[name].get(option) != value
        }
        for name, one in features.items()
        if name in deployed
    }
    if any(changed.values()):
        were = {name: options for name, options in changed.items() if options}
        raise ValueError(
            f"sequencing.features.{entity} differ from the deployed schema, which has "
            f"{were}: deployed ids would get another meaning. Declare these features "
            "as they were, or train a new model: kedro run"
        )


def encode_features(
    entities: ir.Table,
    entity: str,
    vocabulary: ir.Table,
    features: Mapping[str, FeatureKind],
    schema: Mapping[str, Any],
) -> ir.Table:
    """Return the encoded features, one row per entity.

    Args:
        entities: one row per entity, with a column per feature.
        entity: "item" or "user".
        vocabulary: as from `feature_vocabulary`.
        features: the declared features by name.
        schema: as from `describe_features`.

    Returns:
        Ordered by `<entity>` (int32), with a column per feature: int32 id (0 missing, 1
        out of vocabulary) of a kind with one value; array<int32> of ascending ids, each
        once, empty if missing, of a kind with several; float32, 0 if missing, of a
        number.
    """
    encoded = entities.select(entity)
    for name, one in features.items():
        own = vocabulary.filter((_.entity == entity) & (_.feature == name))
        column = one.encode(raw_values(entities, entity, name), own, schema[name])
        named = column.rename({entity: "index", name: "encoded"})
        encoded = encoded.left_join(named, entity).select(
            *encoded.columns, **{name: _filled(named[name])}
        )
    return encoded.order_by(entity)


def _filled(column: ir.Column) -> ir.Column:
    return or_empty(column) if column.type().is_array() else column.fill_null(PADDING)
