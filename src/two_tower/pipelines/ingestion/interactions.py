"""The columns of interactions, and the reasons why a row can't be used."""

from datetime import UTC, datetime
from functools import partial

import ibis
import ibis.expr.types as ir

from two_tower.tables import hints
from two_tower.tables.columns import (
    Typed,
    or_false,
    read_id,
    read_integers,
    read_numbers,
)
from two_tower.tables.faults import Fault
from two_tower.tables.times import is_rounded, read_seconds

from .params import Ingestion

ROW = "_row"  # number of a row in the source, from 1


def type_columns(source: ir.Table, parameters: Ingestion) -> dict[str, Typed]:
    """Return the columns of `interactions` that the source has, by name.

    Args:
        source: the named columns, and `_row`.
        parameters: the source's column names and formats.

    Raises:
        ValueError: a column has a type that can't be read as it is declared.
    """
    names = parameters.columns.interactions
    decimal = parameters.decimal
    typed = {
        "user_id": read_id(source[names.user_id], parameters.ids.user_id),
        "item_id": read_id(source[names.item_id], parameters.ids.item_id),
    }
    if names.event_id:
        typed["event_id"] = read_integers(source[names.event_id])
    if names.timestamp:
        times = source[names.timestamp]
        typed["timestamp"] = read_seconds(times, parameters.written_times, decimal)
    if names.rating:
        typed["rating"] = read_numbers(source[names.rating], decimal)
    return typed


def find_faults(typed: dict[str, Typed], parameters: Ingestion) -> list[Fault]:
    """Return the reasons why an interaction can't be used.

    Args:
        typed: as from `type_columns`.
        parameters: the years of times, and how they are written.
    """
    faults = []
    for name, column in typed.items():
        shown = column.source
        if name != "rating":
            faults.append(
                Fault(
                    f"rows have no {name} (column {shown.get_name()})",
                    column.is_missing,
                    advise=_on_no_times if name == "timestamp" else None,
                )
            )
        faults.append(
            Fault(
                f"values of the column {shown.get_name()} are not {column.wanted}",
                column.is_unfit,
                shown,
                partial(hints.on_time, written=parameters.written_times)
                if name == "timestamp"
                else _ADVICE[name],
            )
        )
    if "timestamp" in typed:
        faults += _find_faulty_times(typed["timestamp"], parameters)
    return faults


def _find_faulty_times(times: Typed, parameters: Ingestion) -> list[Fault]:
    name, years = times.source.get_name(), parameters.years
    first, after = (
        int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
        for year in (years.first, years.last + 1)
    )
    out_of_years = [
        (f"times of the column {name} lie before {years.first}", times.values < first),
        (f"times of the column {name} lie after {years.last}", times.values >= after),
    ]
    on_time = partial(hints.on_time, written=parameters.written_times)
    faults = [
        Fault(reason, or_false(is_out), times.source, on_time)
        for reason, is_out in out_of_years
    ]
    rounded = is_rounded(times.source, parameters.written_times)
    if rounded is not None:
        reason = f"times of the column {name} have lost seconds to their exponent"
        faults.append(Fault(reason, rounded, times.source, _on_rounded))
    return faults


def _on_rounded(_value: str) -> str:
    return "save them again as whole numbers, from their origin"


def _on_no_times(_value: str) -> str:
    return "if there are none, set ingestion.columns.interactions.timestamp to null"


def _on_rating(value: str) -> str:
    advice = hints.on_number(value)
    without = "to do without ratings set ingestion.columns.interactions.rating to null"
    return f"{advice}; {without}" if advice else without


_ADVICE = {
    "event_id": hints.on_whole_number,
    "user_id": hints.on_id,
    "item_id": hints.on_id,
    "rating": _on_rating,
}


def select_columns(
    source: ir.Table, typed: dict[str, Typed], is_used: ir.BooleanValue
) -> ir.Table:
    """Return the rows that are used with all columns of `interactions`.

    Args:
        source: the table of all columns that follow, with `_row`.
        typed: as from `type_columns`.
        is_used: whether a row is used.
    """
    values = {name: column.values for name, column in typed.items()}
    order = values.get("event_id", source[ROW] - 1)
    types = {"timestamp": "int64", "rating": "float32"}
    absent = {name: ibis.null(dtype) for name, dtype in types.items()}
    columns = {"event_id": order, **absent, **values}
    names = ("event_id", "user_id", "item_id", "timestamp", "rating")
    rows = source.select(**{name: columns[name] for name in names}, _is_used=is_used)
    return rows.filter(rows["_is_used"]).drop("_is_used").order_by("event_id")
