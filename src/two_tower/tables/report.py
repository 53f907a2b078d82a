"""What ingested tables hold, whether they fit each other, and what looks wrong."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.tables.hints import PLACEHOLDERS
from two_tower.types import ENTITIES, Entity, JsonObject

MIN_SHARE_JOINED: Final = 0.9
"""Interactions whose item or user is in its table. A catalogue of the same source has
nearly all; one that was joined from elsewhere is worth a look."""
MIN_SHARE_WITH_VALUE: Final = 0.01
"""Items or users with a value of a feature."""
MAX_SHARE_OF_ONE: Final = 0.05
"""Interactions of one user or item. Beyond it stand bots, test accounts, and ids that
mean missing."""
MAX_SHARE_REPEATED: Final = 0.01
"""Interactions that repeat another exactly, as exports and joins do."""
MAX_SHARE_TIED: Final = 0.9
"""Consecutive interactions of a user at one time. Days in place of seconds stay below,
unless users come once."""
MIN_INTERACTIONS, MIN_ENTITIES = 1_000, 100
"""Fewer interactions, users or items make a share of one too great by chance."""
ROUNDINGS: Final = (128, 1_000)
"""Seconds to which float32 and 1.600914e+09 round the times of today."""
MIN_SECONDS_ROUNDED: Final = 20
"""Fewer distinct times are multiples of anything by chance."""

_AN: Final = {"item": "an item", "user": "a user"}
_SHOWN: Final = 3  # ids in a message


def describe_tables(
    interactions: ir.Table, items: ir.Table, users: ir.Table
) -> dict[str, JsonObject]:
    """Return what the tables hold, and how they fit each other.

    Args:
        interactions: `event_id`, `user_id`, `item_id`, `timestamp` (int64 seconds, or
            null in every row), `rating`.
        items: `item_id`, unique; may have no rows.
        users: `user_id`, unique; may have no rows.

    Returns:
        `interactions`: `rated` (share with a rating), `repeated` (share that repeats
        another in all columns) and `times`: `first` and `last` (days, UTC), `seconds`
        (number of distinct ones), `distinct` (their share of interactions), `ties`
        (share of a user's consecutive interactions with one second) and `rounded` (a
        number of seconds that divides all); null without times. `items` and `users`:
        see `_describe_entities`.
    """
    described = {
        "items": _describe_entities(interactions, items, "item_id"),
        "users": _describe_entities(interactions, users, "user_id"),
    }
    n_users = described["users"]["in_interactions"]
    return {"interactions": _describe_events(interactions, n_users), **described}


def summarise(report: Mapping[str, JsonObject]) -> str:
    """Return a sentence on the interactions, their times, and the joins.

    Args:
        report: as from `describe_tables`, with `used` rows of the interactions.
    """
    events = report["interactions"]
    n = {entity: report[f"{entity}s"]["in_interactions"] for entity in ENTITIES}
    entities = f"{n['user']:,} users and {n['item']:,} items"
    counts = f"{events['used']:,} interactions of {entities}"
    times, when = events["times"], "no times"
    if times:
        when = (
            f"from {times['first']} to {times['last']} at {times['seconds']:,} "
            f"distinct seconds ({times['distinct']:.1%}), {times['ties']:.1%} tied "
            "with the one before"
        )
    joins = [
        f"{_percent(report, entity)} have {_AN[entity]} of raw_{entity}s"
        for entity in ENTITIES
        if report[f"{entity}s"]["joined"]
    ]
    return "; ".join([counts, when, *joins])


def refuse_unjoined(report: Mapping[str, JsonObject]) -> None:
    """Refuse a table that shares no id with the interactions.

    Raises:
        ValueError: naming ids of both.
    """
    for entity in ENTITIES:
        examples = report[f"{entity}s"]["examples"]
        if examples:
            raise ValueError(
                f"no interaction has {_AN[entity]} of raw_{entity}s: interactions have "
                f"the ids {', '.join(examples['interactions'])}, raw_{entity}s has "
                f"{', '.join(examples['table'])}. Correct the columns in "
                f"ingestion.columns, or, if these are the same whole numbers, set "
                f"ingestion.ids.{entity}_id to integer"
            )


def find_warnings(report: Mapping[str, JsonObject]) -> list[str]:
    """Return a sentence for whatever looks wrong in ingested tables.

    Args:
        report: as from `describe_tables`, with the counts of reading.
    """
    of_entities = [w for e in ENTITIES for w in _warn_of_entities(report, e)]
    return [*_warn_of_events(report["interactions"]), *of_entities]


def _warn_of_events(events: JsonObject) -> Iterator[str]:
    times = events["times"]
    # Without times a second purchase of an item is no exact repetition.
    if times and events["repeated"] > MAX_SHARE_REPEATED:
        yield (
            f"{events['repeated']:.1%} of the interactions repeat another of the same "
            "user, item, time and rating; remove them from the source, or keep one by "
            "sequencing.selection.repeats"
        )
    if times and times["ties"] > MAX_SHARE_TIED:
        yield (
            f"{times['ties']:.1%} of the interactions have the time of the user's one "
            "before and stay in the order of the source; if that is no order of "
            "time, set sequencing.order.ties: shuffled"
        )
    if times and times["last"] > _tomorrow():
        yield (
            f"the last interaction is of {times['last']}, which is still to come; "
            "correct the times in the source, or leave them out by ingestion.years and "
            "invalid: drop"
        )
    if times and times["rounded"] and times["seconds"] >= MIN_SECONDS_ROUNDED:
        yield (
            f"all times are multiples of {times['rounded']} seconds, but not of "
            "minutes: float32 or a short exponent has rounded them; read them from "
            "their origin"
        )


def _tomorrow() -> str:
    # Times without an offset are read as UTC, and may be of a zone ahead.
    return (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


def _warn_of_entities(
    report: Mapping[str, JsonObject], entity: Entity
) -> Iterator[str]:
    found, n = report[f"{entity}s"], report["interactions"]["used"]
    if found["joined"] and found["joined"]["interactions"] < MIN_SHARE_JOINED:
        yield (
            f"only {_percent(report, entity)} of the interactions have {_AN[entity]} "
            f"of raw_{entity}s; the others have no features: are ids written "
            "differently?"
        )
    rare = [
        name
        for name, with_value in found["features"].items()
        if found["used"] and with_value / found["used"] < MIN_SHARE_WITH_VALUE
    ]
    if rare:
        yield (
            f"less than {MIN_SHARE_WITH_VALUE:.0%} of the {entity}s have a value of "
            f"{', '.join(rare)}"
        )
    largest = found["largest"]
    is_many = n >= MIN_INTERACTIONS and found["in_interactions"] >= MIN_ENTITIES
    if is_many and largest["interactions"] > MAX_SHARE_OF_ONE:
        yield (
            f"the {entity} {largest['id']!r} has {largest['interactions']:.1%} of the "
            "interactions; is it a test account, a robot, or an id that means missing "
            "(ingestion.missing)?"
        )
    if found["spaced"]:
        yield (
            f"{found['spaced']:,} ids of {entity}s have spaces around them, which are "
            "part of the id; remove them from the source"
        )
    for text, n_interactions in found["placeholders"].items():
        yield (
            f"{n_interactions:,} interactions have the {entity} {text!r}; if it means "
            "missing, add it to ingestion.missing"
        )


def _percent(report: Mapping[str, JsonObject], entity: str) -> str:
    share = report[f"{entity}s"]["joined"]["interactions"]
    return "100%" if share == 1 else f"{min(share, 0.999):.1%}"


def _describe_events(interactions: ir.Table, n_users: int) -> JsonObject:
    (found,) = _rows(
        interactions.agg(
            n=_.count(),
            rated=_.rating.notnull().mean(),
            first=_.timestamp.min(),
            last=_.timestamp.max(),
            **{f"of {n}": (_.timestamp % n == 0).all() for n in (60, *ROUNDINGS)},
        )
    )
    n = found["n"]
    times = None
    if found["first"] is not None:
        seconds = _count_distinct(interactions, "timestamp")
        per_user = _count_distinct(interactions, "user_id", "timestamp")
        rounded = [n for n in ROUNDINGS if found[f"of {n}"] and not found["of 60"]]
        times = {
            "first": _day(found["first"]),
            "last": _day(found["last"]),
            "seconds": seconds,
            "distinct": seconds / n,
            "ties": (n - per_user) / max(n - n_users, 1),
            "rounded": rounded[0] if rounded else None,
        }
    columns = ("user_id", "item_id", "timestamp", "rating")
    repeated = (n - _count_distinct(interactions, *columns)) / n
    return {"rated": found["rated"], "repeated": repeated, "times": times}


def _describe_entities(interactions: ir.Table, table: ir.Table, key: str) -> JsonObject:
    """Return how the items or users of interactions and their table fit each other.

    Returns:
        `in_interactions`, their number; `joined`, `number` of these and share of
        `interactions` that are in the table, null without rows; `largest`, `id` and
        share of `interactions` of the one with most; `spaced`, ids with spaces around
        them; `placeholders`, id that usually means missing → interactions; `examples`,
        ids of `interactions` and of the `table` if they have none in common.
    """
    per_id = interactions.group_by(key).agg(n=_.count())
    own = table.select(key, is_joined=True)
    rows = per_id.left_join(own, key).select(key, "n", is_joined=_.is_joined.notnull())
    is_text = rows[key].type().is_string()
    is_spaced = rows[key] != rows[key].strip() if is_text else rows[key].isnull()
    (found,) = _rows(
        rows.agg(
            in_interactions=_.count(),
            total=_.n.sum(),
            number=_.is_joined.sum(),
            of_joined=_.n.sum(where=_.is_joined),
            spaced=is_spaced.sum(),
        )
    )
    (largest,) = _rows(rows.order_by(ibis.desc("n"), key).limit(1))
    n_rows = int(table.count().execute())
    joined = {
        "number": found["number"],
        "interactions": (found["of_joined"] or 0) / found["total"],
    }
    return {
        "in_interactions": found["in_interactions"],
        "joined": joined if n_rows else None,
        "largest": {"id": largest[key], "interactions": largest["n"] / found["total"]},
        "spaced": found["spaced"],
        "placeholders": _find_placeholders(rows, key) if is_text else {},
        "examples": {"interactions": _first(rows, key), "table": _first(table, key)}
        if n_rows and not found["number"]
        else None,
    }


def _find_placeholders(rows: ir.Table, key: str) -> dict[str, int]:
    found = rows.filter(rows[key].lower().strip().isin(PLACEHOLDERS)).order_by(key)
    return {row[key]: row["n"] for row in _rows(found)}


def _first(table: ir.Table, key: str) -> list[str]:
    ids = table.select(key).order_by(key).limit(_SHOWN)
    return [str(row[key]) for row in _rows(ids)]


def _count_distinct(table: ir.Table, *columns: str) -> int:
    # Groups go to disk where a count of distinct values stays in memory.
    return int(table.select(*columns).distinct().count().execute())


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _rows(table: ir.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return rows
