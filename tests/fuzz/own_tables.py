"""Ingest random faulty tables: each is read exactly, warned of, or refused in words.

    python -m tests.fuzz.own_tables --count 1000

An oracle in plain Python reads the same tables. An outcome is

    ok       as the oracle reads it
    warned   ingested with a warning
    refused  refused by a message in the project's words
    raw      an engine's own error, or another exception
    silent   ingested as something else than the oracle reads, without a word
    hang     more than a minute
"""

import argparse
import csv
import io
import logging
import math
import re
import signal
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from kedro.io import DatasetError
from kedro_datasets.ibis import FileDataset
from pydantic import ValidationError

from tests.fuzz.table_mutants import Tables, mutate, write
from two_tower.datasets.csv_table import CSVTableDataset
from two_tower.pipelines.ingestion import checks, nodes
from two_tower.pipelines.ingestion.params import Ingestion

BASE = Path(__file__).parents[2] / "conf" / "base" / "parameters" / "ingestion.yml"
ENGINE = re.compile(
    r"Conversion Error|Binder Error|Parser Error|Catalog Error|LINE \d|SELECT |"
    r"ArrowInvalid|Traceback|OperationNotDefined|duckdb\."
)
SECONDS = 60


class Hang(Exception):
    """A mutant took longer than a minute."""


def parameters_of(tables: Tables) -> dict[str, Any]:
    """Return ingestion's parameters for the tables."""
    base = yaml.safe_load(BASE.read_text(encoding="utf-8"))["ingestion"]
    changed = dict(tables.parameters)
    columns = {"event_id": None, "user_id": "user", "item_id": "item"}
    columns |= {"timestamp": "time", "rating": "stars"} | changed.pop("columns", {})
    tags = {"name": "tags", "column": "tags", "type": "list"} | changed.pop("tags", {})
    price = {"name": "price", "column": "price", "type": "number"}
    items = [tags, price | changed.pop("price", {})]
    items.append({"name": "year", "column": "year", "type": "integer"})
    users = [{"name": "country", "column": "country", "type": "text"}]
    own = {
        "ids": {"user_id": "text", "item_id": "text"},
        "separator": ";",
        "columns": {
            "interactions": columns,
            "items": {"item_id": "item", "title": "name"},
            "users": {"user_id": "user"},
        },
        "features": {"items": items, "users": users},
    }
    return {**base, **own, **changed}


def ingest(tables: Tables, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the rows of each ingested table, and the warnings."""
    parameters = Ingestion.model_validate(parameters_of(tables))
    raw = {}
    for name in tables.rows:
        is_typed = name in tables.typed
        file = folder / f"{name}.{'parquet' if is_typed else 'csv'}"
        file.write_bytes(write(tables, name))
        dataset = (
            FileDataset(filepath=str(file), file_format="parquet")
            if is_typed
            else CSVTableDataset(filepath=str(file))
        )
        raw[name] = dataset.load()
    made = {
        "interactions": nodes.type_interactions(raw["interactions"], parameters),
        "items": nodes.type_items(raw["items"], parameters),
        "users": nodes.type_users(raw["users"], parameters),
    }
    checks.interactions_are_sound(made["interactions"][0])
    checks.items_are_sound(made["items"][0])
    checks.users_are_sound(made["users"][0])
    report = nodes.report_ingestion(
        **{name: table for name, (table, _) in made.items()},
        **{f"{name}_counts": counts for name, (_, counts) in made.items()},
    )
    rows = {name: table.to_pyarrow().to_pylist() for name, (table, _) in made.items()}
    return rows, report["warnings"]


def outcome_of(tables: Tables) -> tuple[str, str]:
    """Return the outcome of ingesting the tables, and what it says."""
    with tempfile.TemporaryDirectory() as folder, _limited(), _warnings() as logged:
        try:
            rows, warnings = ingest(tables, Path(folder))
        except Hang:
            return "hang", ""
        except (ValueError, DatasetError) as error:
            is_own = type(error) in (ValueError, DatasetError, ValidationError)
            is_clear = is_own and not ENGINE.search(str(error))
            return ("refused" if is_clear else "raw"), repr(error)
        except Exception as error:  # noqa: BLE001 - any other is what is looked for
            return "raw", f"{type(error).__name__}: {error}"
        said = [*warnings, *logged]
        if said:
            return "warned", "; ".join(said)
        try:
            wrong = compare(tables, rows, Path(folder))
        except (TypeError, ValueError, OverflowError) as error:
            return "silent", f"the oracle can't read this: {error}"
        return ("silent", wrong) if wrong else ("ok", "")


@contextmanager
def _limited():
    def stop(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _warnings():
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())
    logger = logging.getLogger("two_tower")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def compare(tables: Tables, rows: dict[str, Any], folder: Path) -> str:
    """Return how ingested rows differ from what plain Python reads, if they do."""
    parameters = parameters_of(tables)
    names = parameters["columns"]["interactions"]
    expected = []
    for row in _read(tables, "interactions", folder):
        rating = row[names["rating"]] if names["rating"] else None
        time = row[names["timestamp"]] if names["timestamp"] else None
        expected.append(
            (
                _id(row["user"], parameters["ids"]["user_id"]),
                _id(row["item"], parameters["ids"]["item_id"]),
                None if time is None else _seconds(time, parameters),
                None if rating is None else _number(rating, parameters["decimal"]),
            )
        )
    found = [
        tuple(row[name] for name in ("user_id", "item_id", "timestamp", "rating"))
        for row in rows["interactions"]
    ]
    if found != expected:
        pairs = zip(found, expected, strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), "lengths")
        return f"{len(found)} rows, expected {len(expected)}; {first}"
    return _compare_items(tables, rows["items"], folder, parameters)


def _compare_items(
    tables: Tables, found: list[dict[str, Any]], folder: Path, parameters: Any
) -> str:
    tags, price, _ = parameters["features"]["items"]
    by_id = {row["item_id"]: row for row in found}
    for row in _read(tables, "items", folder):
        own = by_id.get(_id(row["item"], parameters["ids"]["item_id"]))
        if own is None:
            return f"the item {row['item']!r} is lost"
        text = row["tags"]
        if tags.get("format") is None and isinstance(text, str):
            values = [v.strip() for v in text.split(parameters["separator"])]
            if own["tags"] != [value for value in values if value]:
                return f"tags {own['tags']} of {text!r}"
        if price["type"] == "number" and row["price"] is not None:
            expected = _number(row["price"], parameters["decimal"])
            if own["price"] != expected:
                return f"price {own['price']} of {row['price']!r}"
        if row["year"] is not None and own["year"] != int(float(row["year"])):
            return f"year {own['year']} of {row['year']!r}"
    return ""


def _read(tables: Tables, name: str, folder: Path) -> list[dict[str, Any]]:
    missing = set(parameters_of(tables)["missing"])
    if name in tables.typed:
        rows = pq.read_table(folder / f"{name}.parquet").to_pylist()
    else:
        text = (folder / f"{name}.csv").read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    return [{key: _or_none(v, missing) for key, v in row.items()} for row in rows]


def _or_none(value: Any, missing: set[str]) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, timedelta):  # DuckDB reads the number
        value = int(value.total_seconds())
    is_text = not isinstance(value, list | dict) and value is not None
    return None if is_text and str(value).strip() in missing | {""} else value


def _id(value: Any, kind: str) -> Any:
    if value is None or isinstance(value, bool | bytes | list | dict):
        raise ValueError(f"no id: {value!r}")
    if kind == "text" and isinstance(value, str):
        return value
    text = str(value).strip()
    if not re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text):
        raise ValueError(f"no whole number: {value!r}")
    whole = int(text.split(".")[0])
    return whole if kind == "integer" else str(whole)


def _seconds(value: Any, parameters: Any) -> int:
    written = parameters["timestamps"]
    units = {"seconds": 1, "milliseconds": 10**3, "nanoseconds": 10**9}
    if isinstance(value, datetime) or hasattr(value, "isoformat"):
        value = value.isoformat()
    if written in units:
        number = int(value) if re.fullmatch(r"\s*[0-9]+\s*", str(value)) else None
        if number is None:
            number = int(float(str(value).replace(parameters["decimal"], ".")))
        seconds = number // units[written]
    elif written == "excel":
        days = float(str(value).replace(parameters["decimal"], "."))
        seconds = int((days - 25_569) * 86_400 + 0.5)
    else:
        form = written if isinstance(written, str) else written["format"]
        moment = (
            datetime.fromisoformat(str(value).strip())
            if form == "datetime"
            else datetime.strptime(str(value).strip(), form)
        )
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = int(moment.timestamp())
    year = datetime.fromtimestamp(seconds, UTC).year
    if not parameters["years"]["first"] <= year <= parameters["years"]["last"]:
        raise ValueError(f"a time of {year}: {value!r}")
    return seconds


def _number(value: Any, decimal: str) -> float:
    if isinstance(value, str):
        if decimal == "," and "." in value:
            raise ValueError(f"no number: {value!r}")
        value = value.replace(decimal, ".")
    number = float(np.float32(float(value)))
    if not np.isfinite(number):
        raise ValueError(f"not finite: {value!r}")
    return number


def main() -> int:
    """Try mutants, print each that fails, and return whether any did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print all outcomes")
    args = parser.parse_args()
    logging.disable(logging.NOTSET)
    counts: Counter[str] = Counter()
    for seed in range(args.seed, args.seed + args.count):
        tables = mutate(Random(seed))  # noqa: S311 - reproducible, not secret
        outcome, said = outcome_of(tables)
        counts[outcome] += 1
        if args.verbose or outcome in {"raw", "silent", "hang"}:
            print(f"{seed} {outcome}: {' & '.join(tables.made)}\n    {said[:400]}")  # noqa: T201
    print(dict(counts))  # noqa: T201
    return int(bool(counts["raw"] or counts["silent"] or counts["hang"]))


if __name__ == "__main__":
    sys.exit(main())
