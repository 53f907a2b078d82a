"""Table expressions that give the same result on every SQL engine."""

from collections.abc import Iterable, Mapping

import ibis
import ibis.expr.types as ir


def collect_in_order(
    rows: ir.Table, by: Iterable[str], order: str, lists: Mapping[str, str]
) -> ir.Table:
    """Return one row per group with a list of each column's values.

    Args:
        rows: one row per event.
        by: the columns of a group.
        order: column without ties within a group; the lists are in its order.
        lists: name of a list → the column of its values; nulls are kept.

    Returns:
        The columns `by` and the lists, each as long as the group has rows.
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
        table: one row per group; its lists have one length.
        keys: columns that are repeated on each row.
        lists: name of a new column → the list of its values.

    Returns:
        The keys, `position` (int64, from 0 within the list) and the new columns. A
        group with empty lists has no row.
    """
    first, *others = (table[name] for name in lists.values())
    entries = first.zip(*others) if others else first
    rows = table.select(*keys, _entry=entries).unnest("_entry", offset="position")
    fields = (
        [rows["_entry"][f"f{i + 1}"] for i in range(len(lists))]
        if others
        else [rows["_entry"]]
    )
    return rows.select(
        *keys,
        position=rows["position"].cast("int64"),
        **dict(zip(lists, fields, strict=True)),
    )


def or_empty(lists: ir.ArrayColumn) -> ir.ArrayColumn:
    """Return the lists, empty ones in place of null."""
    return lists.fill_null(ibis.literal([], type=lists.type()))


def random_key(value: ir.Value, *, seed: int, purpose: str) -> ir.StringValue:
    """Return a pseudo-random sort key for each value: rows sorted by it are shuffled.

    The key depends on its arguments alone. Random numbers and hashes of the engines
    would differ between engines and threads. A second, unique sort column breaks ties
    of keys, however unlikely.

    Args:
        value: an integer or a string.
        seed: seed of the order.
        purpose: gives orders with one seed different keys.

    Returns:
        32 hexadecimal digits, the MD5 of purpose, seed and value.
    """
    text = ibis.literal(f"{purpose}:{seed}:") + value.cast("string")
    return text.hexdigest("md5")
