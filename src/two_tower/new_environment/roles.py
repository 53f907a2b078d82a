"""Guess of the columns that hold users, items, times and ratings, and of features."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from two_tower.new_environment.names import Role, compact, is_id_name, score
from two_tower.new_environment.times import TimeFormat, guess_times, relative_times
from two_tower.new_environment.values import Column

_OF_A_ROW: Final = re.compile(
    r"^(event|review|row|index|rating|transaction)?id$|^unnamed"
)
_SHARE_OF_TITLES: Final = 0.8  # least share of distinct values
_MAX_RATINGS: Final = 25  # distinct values of a rating, in steps of a half up to 10


@dataclass(frozen=True)
class Interactions:
    """The columns of interactions; `reasons` has one per role."""

    user: Column
    item: Column
    time: Column | None
    times: TimeFormat | None
    rating: Column | None
    event: Column | None
    reasons: dict[Role, str]

    @property
    def names(self) -> set[str]:
        """The names of the columns in use."""
        used = (self.user, self.item, self.time, self.rating, self.event)
        return {column.name for column in used if column is not None}


class UndecidedError(ValueError):
    """The columns of users or items can't be guessed."""


def guess_interactions(
    columns: Sequence[Column], *, user: str | None = None, item: str | None = None
) -> Interactions:
    """Return the columns of users, items, times and ratings.

    Args:
        columns: first rows of the table.
        user: name of the users' column, None: guessed.
        item: name of the items' column, None: guessed.

    Raises:
        UndecidedError: no column for users or for items is left.
    """
    reasons: dict[Role, str] = {}
    filled = [column for column in columns if column.texts]
    timed = _guess_time(filled, reasons)
    time, times = timed if timed else (None, None)
    rest = [column for column in filled if column is not time]
    rating = _guess_rating(rest, reasons)
    rest = [column for column in rest if column is not rating]
    users = _id_column("user", rest, user, reasons)
    rest = [column for column in rest if column is not users]
    items = _id_column("item", rest, item, reasons)
    rest = [column for column in rest if column is not items]
    event = _guess_event(rest, reasons)
    return Interactions(users, items, time, times, rating, event, reasons)


def unread_times(roles: Interactions, columns: Sequence[Column]) -> list[Column]:
    """Return the columns with the name of a time, but without its role."""
    rest = [c for c in columns if c.texts and c.name not in roles.names]
    return [c for c in rest if score("time", c.name)]


def guess_id(columns: Sequence[Column], role: Role, same: str) -> tuple[Column, str]:
    """Return the id column of a table of items or users, and the reason.

    Args:
        columns: first rows of the table.
        role: `item` or `user`.
        same: name of the id column in the interactions.

    Raises:
        UndecidedError: no column has a value per row.
    """
    for column in columns:
        if column.name == same:
            return column, f"the name of the {role}s' column in the interactions"
    if named := _by_name(role, columns):
        return named, "by its name"
    unique = [c for c in columns if len(c.distinct) == len(c.values) > 0]
    if not unique:
        raise UndecidedError(
            f"no column of the {role}s' table is called {same} or differs in each row; "
            f"rename the column of ids to {same}"
        )
    return unique[0], "the first column that differs in each row"


def guess_title(columns: Sequence[Column], *, named: bool) -> Column | None:
    """Return the column of an item's title or name, or None.

    Args:
        columns: first rows of the items, without the ids.
        named: the columns have names; otherwise a title differs in nearly each row.
    """
    texts = [
        c
        for c in columns
        if len(c.distinct) > 1 and not (c.decimal or c.holds_lists or c.is_long)
    ]
    if named:
        return _by_name("title", texts)
    distinct = [c for c in texts if len(c.distinct) >= _SHARE_OF_TITLES * len(c.values)]
    return distinct[0] if distinct else None


def _by_name(role: Role, columns: Iterable[Column]) -> Column | None:
    scores = [(score(role, column.name), column) for column in columns]
    likely = [pair for pair in scores if pair[0] > 0]
    return max(likely, key=lambda pair: pair[0], default=(0, None))[1]


def _id_column(
    role: Role,
    columns: Sequence[Column],
    given: str | None,
    reasons: dict[Role, str],
) -> Column:
    if given is not None:
        reasons[role] = f"given by --{role}-column"
        return _given(role, columns, given)
    usable = [c for c in columns if not (c.holds_lists or c.is_long)]
    other: Role = "item" if role == "user" else "user"
    mine = [c for c in usable if score(role, c.name) >= score(other, c.name)]
    if found := _by_name(role, mine):
        reasons[role] = "by its name"
        return found
    # Without names, tables begin with the user and go on with the item.
    repeated = [
        c
        for c in usable
        if 1 < len(c.distinct) < len(c.texts)
        and (c.is_whole or c.decimal is None)
        and not _OF_A_ROW.search(compact(c.name))
        and not score(other, c.name)
    ]
    if not repeated:
        raise UndecidedError(
            f"no column looks like the {role}s'; name it by --{role}-column, one of: "
            f"{', '.join(column.name for column in columns)}"
        )
    reasons[role] = "CHECK: the first column left with repeated values"
    return repeated[0]


def _given(role: Role, columns: Sequence[Column], name: str) -> Column:
    for column in columns:
        if column.name == name:
            return column
    raise UndecidedError(
        f"--{role}-column is {name}, which is no column left; choose one of: "
        f"{', '.join(column.name for column in columns)}"
    )


def _guess_time(
    columns: Sequence[Column], reasons: dict[Role, str]
) -> tuple[Column, TimeFormat] | None:
    guesses = [(column, guess_times(column)) for column in columns]
    timed = [(c, t) for c, t in guesses if t is not None and _may_be_time(c, t)]
    if timed:
        best = max(timed, key=lambda pair: _rank_time(*pair))
        reasons["time"] = (
            "by its name and values" if _named(best[0]) else "by its values"
        )
        return best
    for column in filter(_named, columns):
        if relative := relative_times(column):
            reasons["time"] = "by its name"
            return column, relative
    return None


def _rank_time(column: Column, times: TimeFormat) -> tuple[bool, int, bool]:
    """Rank a column of times: clear, then telling most interactions from each other."""
    is_clear = column.decimal is None or _named(column) > 0
    return is_clear, len(column.distinct), not times.is_format


def _named(column: Column) -> int:
    return score("time", column.name)


def _may_be_time(column: Column, times: TimeFormat) -> bool:
    """Return False for numbers under a name of something else, such as an id's."""
    is_number = column.decimal is not None
    is_other = score("user", column.name) or score("item", column.name)
    is_id = is_id_name(column.name)
    return not (is_number and not _named(column) and (is_other or is_id)) and not (
        times.written == "excel" and not _named(column)
    )


def _guess_rating(columns: Sequence[Column], reasons: dict[Role, str]) -> Column | None:
    named = [c for c in columns if c.decimal and names_rating(c)]
    if found := _by_name("rating", named):
        reasons["rating"] = "by its name"
        return found
    # Without names, ids of the first users may look like a scale, too.
    unnamed = [c for c in columns if c.name.startswith("column_")]
    for column in unnamed[2:]:
        if len(column.distinct) <= _MAX_RATINGS and _is_scale(column):
            reasons["rating"] = "CHECK: few values, in steps of a half"
            return column
    return None


def names_rating(column: Column) -> bool:
    """Return whether a column has the name of a rating."""
    return score("rating", column.name) > 0 and not is_id_name(column.name)


def _is_scale(column: Column) -> bool:
    if column.decimal is None or len(column.distinct) < 3:  # noqa: PLR2004 - no flag
        return False
    steps = {2 * number % 1 == 0 and 0 <= number <= 10 for number in column.numbers}  # noqa: PLR2004
    return steps == {True}


def _guess_event(columns: Sequence[Column], reasons: dict[Role, str]) -> Column | None:
    few = [c for c in columns if 1 < len(c.distinct) <= _MAX_RATINGS]
    found = _by_name("event", [c for c in few if not c.holds_lists])
    if found:
        reasons["event"] = "by its name"
    return found
