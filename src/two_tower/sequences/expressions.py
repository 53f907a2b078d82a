"""Between one row per event and one row per group with lists, on every engine."""

from collections.abc import Iterable, Mapping

import ibis
import ibis.expr.types as ir


def collect_in_order(
    rows: ir.Table, by: Iterable[str], order: str, lists: Mapping[str, str]
) -> ir.Table:
    """Return one row per group with a list of each column's values.

    Args:
        rows: one row per event.
        by: the columns that name a group.
        order: a column without ties within a group; the lists ascend in it.
        lists: name of a list → the column its values come from; nulls are kept.

    Returns:
        The columns `by` and the lists, all of the group's number of rows.
    """
    # Structs, because ordered aggregates are unknown to Spark and slower on DuckDB.
    # The order column comes first, and so decides.
    entry = ibis.struct(
        {order: rows[order], **{new: rows[old] for new, old in lists.items()}}
    )
    groups = rows.group_by(list(by)).agg(_entries=entry.collect().sort())
    return groups.select(
        *by,
        **{
            name: groups["_entries"].map(lambda e, name=name: e[name]) for name in lists
        },
    )


def unfold(table: ir.Table, keys: Iterable[str], lists: Mapping[str, str]) -> ir.Table:
    """Return one row per list entry, the inverse of `collect_in_order`.

    Args:
        table: one row per group; its lists are equally long.
        keys: the columns to repeat on each row.
        lists: name of a column to make → the list column its values come from.

    Returns:
        The keys, `place` (int64, from 0 within the list) and the columns. A group with
        empty lists has no row.
    """
    first, *others = (table[name] for name in lists.values())
    entries = first.zip(*others) if others else first
    rows = table.select(*keys, _entry=entries).unnest("_entry", offset="place")
    fields = (
        [rows["_entry"][f"f{i + 1}"] for i in range(len(lists))]
        if others
        else [rows["_entry"]]
    )
    return rows.select(
        *keys,
        place=rows["place"].cast("int64"),
        **dict(zip(lists, fields, strict=True)),
    )


def or_empty(lists: ir.ArrayColumn) -> ir.ArrayColumn:
    """Return the lists, those that are null as empty ones."""
    return lists.fill_null(ibis.literal([], type=lists.type()))


def draw(value: ir.Value, *, seed: int, purpose: str) -> ir.StringValue:
    """Return a pseudo-random text for each value; sort by it to shuffle.

    It depends on nothing but its arguments: not on threads, not on the engine, whose
    own hashes and random numbers differ. Break its ties, all but impossible, by a
    unique column.

    Args:
        value: what to draw for: an integer or a string.
        seed: another seed gives another draw.
        purpose: keeps draws of one seed apart.

    Returns:
        32 hexadecimal digits, the MD5 of purpose, seed and value.
    """
    text = ibis.literal(f"{purpose}:{seed}:") + value.cast("string")
    return text.hexdigest("md5")
