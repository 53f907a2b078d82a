"""The guesses for all tables of an environment, and what a person must check."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from two_tower.new_environment.features import Feature, Skipped, guess_features
from two_tower.new_environment.files import (
    CSV,
    ITEM_LISTS,
    JSON_LINES,
    Table,
    read_table,
)
from two_tower.new_environment.names import Role
from two_tower.new_environment.roles import (
    Interactions,
    guess_id,
    guess_interactions,
    guess_title,
    names_rating,
    unread_times,
)
from two_tower.new_environment.values import Column, Decimal
from two_tower.types import Entity

IdType = Literal["integer", "text"]
_SHARE_OF_REPEATS: Final = 0.01


@dataclass(frozen=True)
class SideTable:
    """A table of items or users.

    Attributes:
        table: format and first rows.
        key: column of the ids.
        reason: why that one.
        title: column of the titles, or None.
        features: guessed features.
        skipped: columns that become none.
    """

    table: Table
    key: Column
    reason: str
    title: Column | None
    features: list[Feature]
    skipped: list[Skipped]


@dataclass(frozen=True)
class Environment:
    """All that an environment says of its tables.

    Attributes:
        interactions_table: format and first rows of the interactions.
        interactions: roles of its columns.
        items: the items' table, or None.
        users: the users' table, or None.
        ids: type of the ids of users and items.
        decimal: decimal mark of numbers.
        missing: values that mean missing.
        checks: what a person must look at, a sentence each.
    """

    interactions_table: Table
    interactions: Interactions
    items: SideTable | None
    users: SideTable | None
    ids: dict[str, IdType]
    decimal: Decimal
    missing: list[str]
    checks: list[str] = field(default_factory=list)


def guess_environment(
    interactions: str,
    items: str | None,
    users: str | None,
    *,
    user_column: str | None = None,
    item_column: str | None = None,
) -> Environment:
    """Read the start of the tables, and guess their formats, columns and features.

    Args:
        interactions: file or pattern of the interactions.
        items: file or pattern of the items, or None.
        users: file or pattern of the users, or None.
        user_column: the interactions' column of users, None: guessed.
        item_column: the interactions' column of items, None: guessed.

    Raises:
        DatasetError: a file can't be read.
        UndecidedError: the column of users or items can't be guessed.
    """
    table = read_table(interactions)
    roles = guess_interactions(table.columns, user=user_column, item=item_column)
    if not table.has_header and table.type == CSV:
        table, roles = _name_columns(table, roles)
    sides = (
        _read_side(items, "item", roles.item.name) if items else None,
        _read_side(users, "user", roles.user.name) if users else None,
    )
    kept = [table.column(name) for name in sorted(roles.names)]
    for side in filter(None, sides):
        kept += [side.key, *(side.table.column(f.column) for f in side.features)]
    found = Environment(
        interactions_table=table,
        interactions=roles,
        items=sides[0],
        users=sides[1],
        ids={
            "user_id": _id_type(roles.user, sides[1]),
            "item_id": _id_type(roles.item, sides[0]),
        },
        decimal="," if any(column.has_comma for column in kept) else ".",
        missing=sorted({mark for column in kept for mark in column.marks_of_missing}),
    )
    return replace(found, checks=_checks(found))


def _name_columns(table: Table, roles: Interactions) -> tuple[Table, Interactions]:
    """Name the columns of a file without header by their roles."""
    columns: dict[Role, Column | None] = {
        "user": roles.user,
        "item": roles.item,
        "time": roles.time,
        "rating": roles.rating,
    }
    names: dict[str, str] = {
        column.name: role for role, column in columns.items() if column is not None
    }
    renamed = table.renamed(names)
    roles = replace(
        roles,
        user=renamed.column("user"),
        item=renamed.column("item"),
        time=renamed.column("time") if roles.time else None,
        rating=renamed.column("rating") if roles.rating else None,
    )
    return renamed, roles


def _read_side(filepath: str, role: Entity, same: str) -> SideTable:
    table = read_table(filepath)
    key, reason = guess_id(table.columns, role, same)
    if not table.has_header and table.type == CSV:
        table = table.renamed({key.name: role})
        key = table.column(role)
    rest = [column for column in table.columns if column.name != key.name]
    title = guess_title(rest, named=table.has_header) if role == "item" else None
    rest = [column for column in rest if column is not title]
    features, skipped = guess_features(rest, str(table.options.get("separator", ",")))
    return SideTable(table, key, reason, title, features, skipped)


def _id_type(column: Column, side: SideTable | None) -> IdType:
    columns = [column, *([side.key] if side else [])]
    if all(one.is_whole for one in columns):
        return "integer"
    # 00042 in one table and 42 in the other meet as integers alone.
    meets = side is not None and bool(column.distinct & side.key.distinct)
    is_padded = all(text.isdecimal() for one in columns for text in one.distinct)
    return "integer" if side is not None and is_padded and not meets else "text"


def _checks(found: Environment) -> list[str]:
    roles, table = found.interactions, found.interactions_table
    checks = [
        *_checks_of_ids("user", roles.user),
        *_checks_of_ids("item", roles.item),
        *_checks_of_times(roles, table),
        *_checks_of_ratings(roles, table.columns),
        *_checks_of_rows(roles),
    ]
    if roles.event:
        checks.append(
            f"{roles.event.name} says what a row is; every row counts as an "
            "interaction. To train on some kinds alone, keep their rows alone in "
            f"{table.filepath}"
        )
    for role, side in (("item", found.items), ("user", found.users)):
        if side is not None:
            column = roles.item if role == "item" else roles.user
            checks += _checks_of_side(role, side, column, found.ids[f"{role}_id"])
    return checks


def _checks_of_ids(role: str, column: Column) -> list[str]:
    n_rows, n_distinct = len(column.texts), len(column.distinct)
    if n_distinct == 1:
        return [f"{column.name} has one {role} in the first rows; is it the {role}?"]
    if n_distinct == n_rows:
        return [
            f"{column.name} has another {role} in each of the first {n_rows:,} rows; "
            "nothing can be learned of what occurs once"
        ]
    if len(column.texts) < len(column.values):
        n_missing = len(column.values) - len(column.texts)
        return [
            f"{column.name} is missing in {n_missing:,} of the first "
            f"{len(column.values):,} rows; invalid: drop leaves such rows out"
        ]
    return []


def _checks_of_ratings(roles: Interactions, columns: Sequence[Column]) -> list[str]:
    if roles.rating is not None:
        return []
    return [
        f"{column.name} would be the rating, but it holds texts in place of numbers, "
        f"such as {column.texts[0]}; it is not read, and every row counts as an "
        "interaction"
        for column in columns
        if column.texts and column.name not in roles.names and names_rating(column)
    ][:1]


def _checks_of_rows(roles: Interactions) -> list[str]:
    n_rows = len(roles.user.values)
    n_repeated = _n_repeats(roles.user, roles.item, roles.time, roles.rating)
    if n_repeated > _SHARE_OF_REPEATS * n_rows:
        return [
            f"{n_repeated:,} of the first {n_rows:,} rows repeat an earlier one; "
            "remove them from the file unless people did the same again"
        ]
    n_again = _n_repeats(roles.user, roles.item)
    if n_again > _SHARE_OF_REPEATS * n_rows:
        return [
            f"{n_again:,} of the first {n_rows:,} rows have a user and item of an "
            "earlier one; if people are to be recommended what they had before, set "
            "evaluation.seen: ranked"
        ]
    return []


def _n_repeats(*columns: Column | None) -> int:
    rows = list(zip(*(c.values for c in columns if c), strict=True))
    return len(rows) - len(set(rows))


def _checks_of_times(roles: Interactions, table: Table) -> list[str]:
    if table.type == ITEM_LISTS:
        return [
            "there are no times; the items of a line are taken to be in order of time, "
            "as sequencing.order.without_times: file_order says"
        ]
    if roles.time is None or roles.times is None:
        return [
            f"{unread.name} would hold times, but its values, such as "
            f"{' and '.join(unread.texts[:2])}, are of no single form that is known; "
            "write them all as 2024-03-05T18:20:11, or set ingestion.timestamps"
            for unread in unread_times(roles, table.columns)[:1]
        ] + [
            "no column holds times, so the order of a user's interactions is random; "
            "set sequencing.order.without_times: file_order if the rows are in order"
        ]
    if roles.times.is_relative:
        return [
            f"{roles.time.name} holds numbers that are no times since 1970; they are "
            "read as seconds, so their order counts, and days and hours do not"
        ]
    clocks = [c.name for c in unread_times(roles, table.columns) if c.holds_clocks]
    if clocks:
        return [
            f"{roles.time.name} is read without {clocks[0]}; join both to one column, "
            "such as 2024-03-05 18:20:11, if the second of an interaction counts"
        ]
    if roles.times.others:
        return [
            f"{roles.time.name} is read as {roles.times.written}, but "
            f"{', '.join(roles.times.others)} would also fit; look at a few dates"
        ]
    return []


def _checks_of_side(
    role: str, side: SideTable, column: Column, id_type: IdType
) -> list[str]:
    checks = []
    n_rows, n_ids = len(side.key.texts), len(side.key.distinct)
    if n_ids < n_rows:
        checks.append(
            f"{side.table.filepath} repeats {n_rows - n_ids:,} ids in its first "
            f"{n_rows:,} rows; it needs one row per {role}"
        )
    n_shared = len(_ids(column, id_type) & _ids(side.key, id_type))
    if side.table.is_complete and n_shared < len(column.distinct):
        checks.append(
            f"{n_shared:,} of {len(column.distinct):,} {role}s of the interactions' "
            f"first rows are in {side.table.filepath}"
            + (
                f"; ids there look like {side.key.texts[0]}, here like "
                f"{column.texts[0]}"
                if n_shared == 0 and side.key.texts
                else ""
            )
        )
    return checks


def _ids(column: Column, id_type: IdType) -> set[str]:
    if id_type == "text":
        return column.distinct
    return {text.removesuffix(".0").lstrip("0") or "0" for text in column.distinct}


def options_of(table: Table, columns: Sequence[Column]) -> dict[str, object]:
    """Return the options of a table's catalog entry.

    Args:
        table: format and first rows.
        columns: the columns in use; of JSON lines no other is read.
    """
    if table.type != JSON_LINES:
        return table.options
    kinds = {c.name: "list" if c.holds_lists else "text" for c in columns}
    return {**table.options, "columns": kinds}
