"""Validators that the catalog runs before an output of ingestion is saved."""

from collections.abc import Mapping
from typing import Final

import ibis
import ibis.expr.types as ir

LATEST_TIMESTAMP: Final = 4_102_444_800
"""The year 2100 in seconds since 1970. Times of today in milliseconds are greater."""

NO_TIME: Final = "without timestamp"
"""The fault that all rows may have: then the source has no times."""

_IDS = ("int64", "string")
_SHOWN = 5  # examples in a message


def interactions_are_sound(interactions: ir.Table) -> None:
    """Refuse interactions that later pipelines would misread.

    Raises:
        ValueError: no interactions, another column or type, a missing id, a time that
            is missing in some rows only, a repeated `event_id`, a rating that is not
            finite, or a time before 1970 or after 2100.
    """
    types = {
        "event_id": ("int64",),
        "user_id": _IDS,
        "item_id": _IDS,
        "timestamp": ("int64",),
        "rating": ("float32",),
    }
    _require_types(interactions, types, "interactions")
    user_id, item_id = interactions.user_id, interactions.item_id
    rating, timestamp = interactions.rating, interactions.timestamp
    faults = {
        "without event_id": interactions.event_id.isnull(),
        "without user_id": user_id.isnull(),
        "without item_id": item_id.isnull(),
        NO_TIME: timestamp.isnull(),
        "before 1970": timestamp < 0,
        "after 2100 (in milliseconds? see ingestion.timestamps)": (
            timestamp > LATEST_TIMESTAMP
        ),
        "with a rating that is not finite": rating.isnan() | rating.isinf(),
    }
    if _count_faults(interactions, faults, "interactions") == 0:
        raise ValueError(
            "there are no interactions: raw_interactions has no rows; correct its "
            "filepath in the catalog"
        )
    _require_unique(interactions, "event_id", "interactions")


def items_are_sound(items: ir.Table) -> None:
    """Refuse items that later pipelines would misread.

    Raises:
        ValueError: another column or type, or a missing or repeated `item_id`.
    """
    _require_types(items, {"item_id": _IDS, "title": ("string",)}, "items")
    _count_faults(items, {"without item_id": items.item_id.isnull()}, "items")
    _require_unique(items, "item_id", "items")


def users_are_sound(users: ir.Table) -> None:
    """Refuse users that later pipelines would misread.

    Raises:
        ValueError: another type of id, or a missing or repeated `user_id`.
    """
    _require_types(users, {"user_id": _IDS}, "users")
    _count_faults(users, {"without user_id": users.user_id.isnull()}, "users")
    _require_unique(users, "user_id", "users")


def _require_types(
    table: ir.Table, types: Mapping[str, tuple[str, ...]], name: str
) -> None:
    found = {
        column: str(of.copy(nullable=True)) for column, of in table.schema().items()
    }
    for column, allowed in types.items():
        if found.get(column) not in allowed:
            raise ValueError(
                f"{name}.{column} is {found.get(column, 'missing')}, but later "
                f"pipelines read {' or '.join(allowed)}; return it from the node of "
                "ingestion"
            )


def _count_faults(
    table: ir.Table, faults: Mapping[str, ir.BooleanColumn], name: str
) -> int:
    """Refuse rows with a fault, and return the number of rows; reads them once."""
    key = table[table.columns[0]]
    counts = {f"n {fault}": is_faulty.sum() for fault, is_faulty in faults.items()}
    firsts = {f"1 {fault}": key.min(where=faults[fault]) for fault in faults}
    aggregate = table.aggregate(rows=table.count(), **counts, **firsts)
    found = aggregate.to_pyarrow().to_pylist()[0]
    faulty = [
        f"{found[f'n {fault}']:,} {fault}, the first with {key.get_name()} "
        f"{found[f'1 {fault}']}"
        for fault in faults
        if found[f"n {fault}"]
        and not (fault == NO_TIME and found[f"n {fault}"] == found["rows"])
    ]
    if faulty:
        raise ValueError(
            f"of {found['rows']:,} {name}, {'; '.join(faulty)}; correct these rows of "
            "the source, or ingestion's parameters"
        )
    return int(found["rows"])


def _require_unique(table: ir.Table, column: str, name: str) -> None:
    # Sorted neighbours: a count of distinct values takes three times the memory.
    in_order = ibis.window(order_by=column)
    values = table.select(column)
    neighbours = values.mutate(before=values[column].lag().over(in_order))
    repeats = neighbours.filter(neighbours[column] == neighbours.before)
    shown = repeats.select(column).distinct().order_by(column).limit(_SHOWN)
    found = shown.to_pyarrow()[column].to_pylist()
    if found:
        raise ValueError(
            f"{name}.{column} must be unique, but {found} are repeated; remove the "
            "repeated rows from the source"
        )
