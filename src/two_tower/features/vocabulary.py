"""Which values the items and users have, and the ids of those that training knows.

`entity` is "item" or "user" throughout; an entity's dense id is the column of that
name. `known` tables hold one row per entity with `n_train`, its number of training
interactions, and one column per declared feature, named like the feature.
"""

from collections.abc import Mapping
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from two_tower.features.params import DeclaredFeature
from two_tower.types import FIRST_ID

DENSE: Final = "dense"
RAREST: Final = "rarest"
VALUE_SET: Final = "value_set"
OF_LISTS: Final = {"multi_valued", RAREST, VALUE_SET}
BETWEEN_VALUES: Final = "|"
"""Joins a set's values into one, as MovieLens does its genres."""
ESCAPES: Final = {"%": "%25", BETWEEN_VALUES: "%7C"}
"""What stands in a set for these within a value, so that "a|b" is not "a" and "b"."""
NOT_A_WORD: Final = r"[^\p{L}\p{N}]+"
YEAR_AT_END: Final = r"\s*\(\d{4}\)\s*$"
"""MovieLens ends titles in the year, which is a feature of its own."""


def with_columns(
    vocabulary: ir.Table,
    entity: str,
    table: ir.Table,
    features: Mapping[str, DeclaredFeature],
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
        ValueError: a declared column is missing, or of a type its kind can't take.
    """
    key = f"{entity}_id"
    for name, feature in features.items():
        _check_column(entity, table, name, feature)
    ids = table[key].cast(vocabulary[key].type())
    columns = {name: table[one.column or name] for name, one in features.items()}
    joined = vocabulary.left_join(table.select(**{key: ids}, **columns), key)
    return joined.select(entity, "n_train", *features)


def _check_column(
    entity: str, table: ir.Table, name: str, feature: DeclaredFeature
) -> None:
    column = feature.column or name
    where = f"feature sequencing.features.{entity}.{name}"
    if column not in table.columns:
        raise ValueError(
            f"{where} needs the column {column!r}, but the {entity}s have only "
            f"{sorted(table.columns)}; name one of these as its `column`, or set the "
            "feature to null"
        )
    dtype = table[column].type()
    if feature.kind in OF_LISTS:
        fits, needed = dtype.is_array(), "a list"
    elif feature.kind == DENSE:
        fits, needed = dtype.is_numeric() or dtype.is_boolean(), "a number"
    elif feature.kind == "words":
        fits, needed = dtype.is_string(), "a text"
    else:
        fits, needed = not dtype.is_nested(), "a single value"
    if not (fits or dtype.is_null()):
        raise ValueError(
            f"{where} is {feature.kind!r} and needs {needed}, but the column "
            f"{column!r} of the {entity}s is {dtype}"
        )


def feature_values(
    known: ir.Table,
    entity: str,
    name: str,
    one: DeclaredFeature,
    counts: ir.Table | None = None,
) -> ir.Table:
    """Return which values each entity has of a feature that is not dense.

    Args:
        known: see the module.
        entity: "item" or "user".
        name: of the feature.
        one: how it is declared.
        counts: how often training has the values of a `rarest` feature, as from
            `count_listed`; others need none.

    Returns:
        `<entity>` and `value` (string), each pair once; no row where there is none.
        Of a `rarest` feature the value of the smallest count, the first in order of
        the value if there are several; values that training lacks are taken only where
        there are no others. Of a `value_set` all values in order, joined by "|"; "|"
        and "%" within a value are escaped as in addresses, "%7C" and "%25".
    """
    rows = _raw_values(known, entity, name, one)
    if one.kind == RAREST:
        return _rarest(rows, entity, counts)
    if one.kind == VALUE_SET:
        together = _.value.collect().sort().join(BETWEEN_VALUES)
        escaped = rows.mutate(value=_escaped(rows["value"]))
        return escaped.group_by(entity).agg(value=together)
    return rows


def _escaped(values: ir.Column) -> ir.Column:
    for plain, escaped in ESCAPES.items():  # "%" comes first, as the others have it
        values = values.replace(plain, escaped)
    return values


def count_listed(
    known: ir.Table,
    entity: str,
    name: str,
    one: DeclaredFeature,
    about: Mapping[str, Any] | None = None,
) -> ir.Table:
    """Return how many entities of the training have each value of a list.

    Args:
        known: see the module.
        entity: "item" or "user".
        name: of the feature.
        one: how it is declared.
        about: what a schema to grow from says of the feature: its values keep the
            counts that they had, and new ones count so many more than the greatest of
            them, so that no entity's rarest value becomes another one.

    Returns:
        `value` (string, unique) and `count` (int64).
    """
    rows = _raw_values(known.filter(_.n_train > 0), entity, name, one)
    counted = rows.group_by("value").agg(count=_.count().cast("int64"))
    if about is None:
        return counted
    greatest = max(about["counts"].values(), default=0)
    earlier = counts_of(about)
    new = counted.anti_join(earlier, "value")
    return earlier.union(new.mutate(count=(_["count"] + greatest).cast("int64")))


def counts_of(about: Mapping[str, Any]) -> ir.Table:
    """Return the counts that a schema states of a feature, as `count_listed` does."""
    counts = about["counts"]
    columns = {
        "value": pa.array(counts.keys(), pa.string()),
        "count": pa.array(counts.values(), pa.int64()),
    }
    return ibis.memtable(pa.table(columns))


def _rarest(rows: ir.Table, entity: str, counts: ir.Table | None) -> ir.Table:
    counted = rows.left_join(counts, "value").select(entity, "value", "count")
    # Engines differ in where nulls stand.
    order = [counted["count"].isnull(), counted["count"], counted["value"]]
    place = ibis.row_number().over(group_by=entity, order_by=order)
    return counted.mutate(_place=place).filter(_["_place"] == 0).select(entity, "value")


def _raw_values(
    known: ir.Table, entity: str, name: str, one: DeclaredFeature
) -> ir.Table:
    """Return `<entity>` and `value`, each pair once, as the column has them."""
    column = known[name]
    if one.kind in OF_LISTS:
        values = column.cast("array<string>")
    elif one.kind == "words":
        text = column.cast("string").lower().re_replace(YEAR_AT_END, "")
        values = text.re_split(NOT_A_WORD)
    else:
        text = column.cast("string")
        short = text if one.prefix is None else text.substr(0, one.prefix)
        values = ibis.array([short])
    rows = known.select(entity, value=values).unnest("value")
    return rows.filter(_.value.notnull() & (_.value != "")).distinct()


def feature_vocabulary(
    known: ir.Table,
    entity: str,
    features: Mapping[str, DeclaredFeature],
    deployed_values: ir.Table | None = None,
    deployed_schema: Mapping[str, Any] | None = None,
) -> ir.Table:
    """Number the values that training knows, in order of the value.

    Args:
        known: see the module.
        entity: "item" or "user".
        features: the declared features by name; dense ones have no values.
        deployed_values: a feature vocabulary to grow from: of the declared features,
        its
            values keep their ids, and new ones come behind.
        deployed_schema: the entity's schema of the same training; see `count_listed`.

    Returns:
        `entity`, `feature`, `value` (strings), `id` (int32, from 2 on in each
        feature), `count` (int64, entities of the training that have the value). New
        values below the feature's `min_count` are left out, and so have id 1.
    """
    training = known.filter(_.n_train > 0)
    schema = deployed_schema or {}
    nothing = training.select(value=ibis.literal("")).limit(0)
    # Stands even without any feature.
    vocabulary = _numbered(nothing, entity, "", 1, deployed_values)
    for name, one in features.items():
        if one.kind != DENSE:
            is_rarest, about = one.kind == RAREST, schema.get(name)
            counts = (
                count_listed(known, entity, name, one, about) if is_rarest else None
            )
            values = feature_values(training, entity, name, one, counts)
            vocabulary = vocabulary.union(
                _numbered(values, entity, name, one.min_count, deployed_values)
            )
    return vocabulary


def _numbered(
    values: ir.Table,
    entity: str,
    name: str,
    min_count: int,
    deployed_values: ir.Table | None,
) -> ir.Table:
    counts = values.group_by("value").agg(count=_.count())
    entries = counts.mutate(_known=ibis.null("int32"))
    if deployed_values is not None:
        own = deployed_values.filter((_.entity == entity) & (_.feature == name))
        absent = own.select("value", count=ibis.literal(0, "int64"), _known="id")
        entries = (
            entries.union(absent)
            .group_by("value")
            .agg(count=_["count"].sum(), _known=_["_known"].max())
        )
    is_known = entries["_known"].notnull()
    numbered = entries.filter(is_known | (entries["count"] >= min_count))
    order = [numbered["_known"].isnull(), numbered["_known"], numbered["value"]]
    place = ibis.row_number().over(order_by=order)
    return numbered.select(
        entity=ibis.literal(entity),
        feature=ibis.literal(name),
        value="value",
        id=(place + FIRST_ID).cast("int32"),
        count=_["count"].cast("int64"),
    )
