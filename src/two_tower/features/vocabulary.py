"""The feature vocabulary: the values of each feature in the training, with their ids.

`entity` is "item" or "user" throughout. Tables of `entities` have one row per item or
user: its index (int32) in the column `item` or `user`, `n_train` (its training
interactions) and one column per declared feature, named like the feature.
"""

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.features.base import FeatureKind, VocabularyFeature
from two_tower.features.columns import find_column_faults
from two_tower.types import FIRST_ID


def with_columns(
    vocabulary: ir.Table,
    entity: str,
    table: ir.Table,
    features: Mapping[str, FeatureKind],
) -> ir.Table:
    """Return the entities of a vocabulary with the declared columns.

    Args:
        vocabulary: `<entity>` (int32), `<entity>_id`, `n_train`.
        entity: "item" or "user".
        table: `<entity>_id` (unique) and other columns; it may lack entities.
        features: the declared features by name.

    Returns:
        `<entity>`, `n_train` and a column per feature, null where `table` lacks the
        entity.

    Raises:
        ValueError: a declared column is missing, or its kind does not read its type.
    """
    key = f"{entity}_id"
    if faults := find_column_faults(entity, features, dict(table.schema().items())):
        raise ValueError(faults)
    ids = table[key].cast(vocabulary[key].type())
    columns = {name: table[one.source_column(name)] for name, one in features.items()}
    joined = vocabulary.left_join(table.select(**{key: ids}, **columns), key)
    return joined.select(entity, "n_train", *features)


def raw_values(entities: ir.Table, entity: str, name: str) -> ir.Table:
    """Return the raw values of a feature: `index`, `n_train` and `value`."""
    return entities.select("n_train", index=entity, value=name)


def feature_vocabulary(
    entities: ir.Table,
    entity: str,
    features: Mapping[str, FeatureKind],
    deployed_values: ir.Table | None = None,
    deployed_schema: Mapping[str, Any] | None = None,
) -> ir.Table:
    """Number the values that training entities have, in order of the value.

    Args:
        entities: see the module.
        entity: "item" or "user".
        features: the declared features by name; some kinds have no values.
        deployed_values: a feature vocabulary to grow from: values of the declared
            features keep their ids, new ones get the ids after them.
        deployed_schema: the entity's feature schema of that vocabulary.

    Returns:
        `entity`, `feature`, `value` (strings), `id` (int32, from 2 in each feature),
        `count` (int64, training entities with the value). New values below the
        feature's `min_count` are left out of vocabulary, id 1.
    """
    schema = deployed_schema or {}
    training = entities.filter(_.n_train > 0)
    no_values = training.select(value=ibis.literal("")).limit(0)
    # Gives the table its columns even without any feature.
    vocabulary = _numbered(no_values, entity, "", 1, deployed_values)
    for name, one in features.items():
        if isinstance(one, VocabularyFeature):
            raw = raw_values(training, entity, name)
            values = one.values(raw, one.fit(raw, schema.get(name)))
            numbered = _numbered(values, entity, name, one.min_count, deployed_values)
            vocabulary = vocabulary.union(numbered)
    return vocabulary


def _numbered(
    values: ir.Table,
    entity: str,
    name: str,
    min_count: int,
    deployed_values: ir.Table | None,
) -> ir.Table:
    counts = values.group_by("value").agg(count=_.count())
    entries = counts.mutate(_deployed=ibis.null("int32"))
    if deployed_values is not None:
        own = deployed_values.filter((_.entity == entity) & (_.feature == name))
        kept = own.select("value", count=ibis.literal(0, "int64"), _deployed="id")
        entries = (
            entries.union(kept)
            .group_by("value")
            .agg(count=_["count"].sum(), _deployed=_["_deployed"].max())
        )
    is_deployed = entries["_deployed"].notnull()
    numbered = entries.filter(is_deployed | (entries["count"] >= min_count))
    order = [numbered["_deployed"].isnull(), numbered["_deployed"], numbered["value"]]
    rank = ibis.row_number().over(order_by=order)
    return numbered.select(
        entity=ibis.literal(entity, "string"),
        feature=ibis.literal(name, "string"),
        value="value",
        id=(rank + FIRST_ID).cast("int32"),
        count=_["count"].cast("int64"),
    )
