"""The columns that declared features are read from.

`entity` is "item" or "user"; `columns` are the columns of its table, name → type.
"""

from collections.abc import Collection, Mapping
from typing import TypeVar

import ibis.expr.datatypes as dt

from two_tower.features.base import FeatureKind

Kind = TypeVar("Kind", bound=FeatureKind)


def readable_features(
    features: Mapping[str, Kind], columns: Collection[str]
) -> dict[str, Kind]:
    """Return the features without those that are opt-in and have no column.

    A tower that opts in finds them undeclared.
    """
    return {
        name: one
        for name, one in features.items()
        if not one.opt_in or one.source_column(name) in columns
    }


def find_column_faults(
    entity: str, features: Mapping[str, FeatureKind], columns: Mapping[str, dt.DataType]
) -> str | None:
    """Return what is wrong with the columns of features, and the remedy; or None."""
    faults = [
        f"sequencing.features.{entity}.{name} {fault}"
        for name, one in features.items()
        if (fault := _fault_of(one, one.source_column(name), columns))
    ]
    if not faults:
        return None
    return (
        f"{'; '.join(faults)}. The {entity}s have {', '.join(sorted(columns))}: keep "
        f"other columns of their table by ingestion.features.{entity}s, name one of "
        "these as the feature's `column`, choose another kind, or set the feature to "
        "null"
    )


def _fault_of(
    feature: FeatureKind, column: str, columns: Mapping[str, dt.DataType]
) -> str | None:
    if column not in columns:
        return f"needs the column {column!r}"
    found = columns[column]
    if feature.reads(found) or found.is_null():
        return None
    return (
        f"is {feature.kind!r} and needs {feature.column_type}, but its column "
        f"{column!r} is {found}"
    )
