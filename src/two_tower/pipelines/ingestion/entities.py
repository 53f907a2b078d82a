"""The columns of items and users, the reasons against a row, and what looks wrong."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import ibis
import ibis.expr.types as ir

from two_tower.tables import hints
from two_tower.tables.columns import (
    Typed,
    mark_missing,
    read_id,
    read_integers,
    read_numbers,
    read_prices,
    read_text,
    require_columns,
)
from two_tower.tables.faults import (
    Counts,
    Fault,
    count_faults,
    is_any_faulty,
    settle,
)
from two_tower.tables.lists import BRACKETED, or_empty, read_list
from two_tower.types import Entity, JsonObject

from .interactions import ROW
from .params import FeatureColumn, IdType, Ingestion

logger = logging.getLogger(__name__)

_SEPARATORS: Final = ("|", ";", ",", "/", "::")
"""Separators of lists that a message proposes."""


def type_entities(
    raw: ir.Table, entity: Entity, parameters: Ingestion
) -> tuple[ir.Table, JsonObject]:
    """Return items or users with their features, and counts of what was read.

    Args:
        raw: one row per item or user, with the source's column names.
        entity: "item" or "user".
        parameters: the source's column names, and the columns to keep.

    Returns:
        The table, see `nodes.type_items` and `nodes.type_users`; and the counts of
        `settle` with `features` (name → rows with a value) and `warnings`.

    Raises:
        ValueError: a column is missing or of another type, rows can't be used, or a
            feature has no value in any row.
    """
    columns = getattr(parameters.columns, f"{entity}s").model_dump()
    features: tuple[FeatureColumn, ...] = getattr(parameters.features, f"{entity}s")
    id_name, table = f"{entity}_id", f"raw_{entity}s"
    needed = [*columns.values(), *(feature.column for feature in features)]
    require_columns(raw, needed, table)
    marked = mark_missing(raw, needed, parameters.missing)
    id_type: IdType = getattr(parameters.ids, id_name)
    source = with_repeats(marked, columns[id_name], id_type)
    ids = read_id(source[columns[id_name]], id_type)
    typed = type_features(source, features, parameters)
    faulty_rows = find_faulty_ids(source, ids, id_name)
    is_used = ~is_any_faulty(faulty_rows)
    counts = count_faults(
        source,
        source[ROW],
        [*faulty_rows, *find_unfit_values(features, typed)],
        {"used": is_used.sum(), **count_values(features, typed, parameters)},
    )
    settled = settle(table, counts, parameters.invalid, counts.others["used"] or 0)
    described = _describe(table, features, counts, parameters)
    title = {"title": _title(source, columns["title"])} if "title" in columns else {}
    values = {name: one.values for name, one in typed.items()}
    selected = select_rows(source, {id_name: ids.values, **title, **values}, is_used)
    return selected, {**settled, **described}


def _title(source: ir.Table, column: str | None) -> ir.Column:
    return read_text(source[column]).values if column else ibis.null("string")


def _describe(
    table: str,
    features: Iterable[FeatureColumn],
    counts: Counts,
    parameters: Ingestion,
) -> JsonObject:
    """Return and log the values of features, and refuse a feature without any."""
    n_values = {one.name: counts.others[f"{one.name} values"] or 0 for one in features}
    empty = [name for name, n in n_values.items() if n == 0]
    if empty and counts.read:
        raise ValueError(
            f"the features {', '.join(empty)} of {table} have no value in any of "
            f"{counts.read:,} rows; name their columns in ingestion.features, or "
            "remove them there and from sequencing.features"
        )
    warnings = list(describe_values(features, counts.others, parameters))
    for warning in warnings:
        logger.warning("%s: %s", table, warning)
    return {"features": n_values, "warnings": warnings}


def type_features(
    source: ir.Table, features: Iterable[FeatureColumn], parameters: Ingestion
) -> dict[str, Typed]:
    """Return the columns of features by name.

    Args:
        source: the named columns.
        features: the columns to keep.
        parameters: the decimal mark, and the separator of lists.

    Raises:
        ValueError: a column has a type that can't be read as it is declared.
    """
    decimal = parameters.decimal

    def read(feature: FeatureColumn) -> Typed:
        column = source[feature.column]
        if feature.type == "list":
            separator = feature.separator or parameters.separator
            return read_list(column, feature.format, separator)
        if feature.type == "integer":
            return read_integers(column)
        if feature.type == "number":
            return read_numbers(column, decimal)
        if feature.type == "price":
            return read_prices(column, decimal)
        return read_text(column)

    return {feature.name: read(feature) for feature in features}


def with_repeats(source: ir.Table, column: str, id_type: IdType) -> ir.Table:
    """Return the source with `_row`, from 1, and `_repeat`, 0 in an id's first row."""
    numbered = source.mutate(**{ROW: ibis.row_number() + 1})
    ids = read_id(numbered[column], id_type).values
    repeat = ibis.row_number().over(group_by=ids, order_by=numbered[ROW])
    return numbered.mutate(_repeat=repeat)


def find_faulty_ids(source: ir.Table, ids: Typed, name: str) -> list[Fault]:
    """Return the reasons why a row of items or users can't be used.

    Args:
        source: has `_repeat`.
        ids: the column of ids.
        name: `item_id` or `user_id`.
    """
    column = ids.source.get_name()
    is_repeat = ids.values.notnull() & (source["_repeat"] > 0)
    return [
        Fault(f"rows have no {name} (column {column})", ids.is_missing),
        Fault(
            f"values of the column {column} are not {ids.wanted}",
            ids.is_unfit,
            ids.source,
            hints.on_id,
        ),
        Fault(
            f"rows repeat the {name} of an earlier row (column {column})",
            is_repeat,
            ids.source,
        ),
    ]


def find_unfit_values(
    features: Iterable[FeatureColumn], typed: Mapping[str, Typed]
) -> list[Fault]:
    """Return the reasons why a feature's value can't be used.

    Args:
        features: the columns to keep.
        typed: as from `type_features`.
    """
    return [
        Fault(
            f"values of the column {feature.column} are not "
            f"{typed[feature.name].wanted}",
            typed[feature.name].is_unfit,
            typed[feature.name].source,
            _ADVICE.get(feature.type),
        )
        for feature in features
    ]


_ADVICE = {
    "integer": hints.on_whole_number,
    "number": hints.on_number,
    "price": hints.on_price,
    "list": hints.on_list,
}


def count_values(
    features: Iterable[FeatureColumn], typed: Mapping[str, Typed], parameters: Ingestion
) -> dict[str, ir.Scalar]:
    """Return counts from which `describe_values` tells what looks wrong.

    Args:
        features: the columns to keep.
        typed: as from `type_features`.
        parameters: the separator of lists.
    """
    counts: dict[str, ir.Scalar] = {}
    for feature in features:
        name, column = feature.name, typed[feature.name]
        counts[f"{name} values"] = _has_value(column.values).sum()
        text = column.source
        if text.type().is_string() and feature.type in ("text", "list"):
            counts[f"{name} bracketed"] = text.re_search(BRACKETED).sum()
        if text.type().is_string() and feature.type == "list":
            separator = feature.separator or parameters.separator
            counts[f"{name} separated"] = text.contains(separator).sum()
            for mark in _SEPARATORS:
                counts[f"{name} with {mark}"] = text.contains(mark).sum()
    return counts


def describe_values(
    features: Iterable[FeatureColumn],
    counts: Mapping[str, int | None],
    parameters: Ingestion,
) -> Iterator[str]:
    """Yield a sentence for each feature whose values look wrong.

    Args:
        features: the columns to keep.
        counts: the results of `count_values`.
        parameters: the separator of lists.
    """
    for feature in features:
        name, n = feature.name, counts[f"{feature.name} values"] or 0
        if feature.format == "separated" and counts.get(f"{name} bracketed"):
            yield (
                f"{counts[f'{name} bracketed']:,} of {n:,} values of {name} are text "
                "in brackets: for lists declare the type list and the format json or "
                "python"
            )
        elif feature.type == "list" and feature.format == "separated" and n > 1:
            separator = feature.separator or parameters.separator
            if counts.get(f"{name} separated") == 0:
                others = [m for m in _SEPARATORS if counts[f"{name} with {m}"]]
                hint = f"; some have {' or '.join(map(repr, others))}" if others else ""
                yield (
                    f"no value of {name} has the separator {separator!r}, so that each "
                    f"list is one value{hint}: set its separator"
                )


def _has_value(values: ir.Column) -> ir.BooleanColumn:
    return values.length() > 0 if values.type().is_array() else values.notnull()


def select_rows(
    source: ir.Table, columns: Mapping[str, ir.Column], is_used: ir.BooleanValue
) -> ir.Table:
    """Return the rows that are used, in the order of their id.

    Args:
        source: the table of all columns that follow.
        columns: the id, the first, and further columns; lists are never null.
        is_used: whether a row is used.
    """
    values = {
        name: or_empty(one) if one.type().is_array() else one
        for name, one in columns.items()
    }
    rows = source.select(**values, _is_used=is_used)
    return rows.filter(rows["_is_used"]).drop("_is_used").order_by(next(iter(columns)))
