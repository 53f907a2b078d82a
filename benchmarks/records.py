"""Recorded trainings of a study: read, appended, grouped, and summarised in cells.

A training's settings are identified by a digest of the parameters that it reads, seed
included. Records of other parameters or older code stay readable.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Record: TypeAlias = dict[str, Any]
Groups: TypeAlias = dict[tuple[str, str], list[Record]]
"""Variant and settings → its trainings, one per seed."""

Cell: TypeAlias = Callable[[Sequence[Record]], str]
"""Text of a table cell for the trainings of one variant."""

CURRENT = "current"
FILE_ORDER = "file_order"  # interactions of one second in the order of the data
SHORT = 10  # digits of a commit in a table
DIRTY = "-dirty"


def read_records(path: Path) -> list[Record]:
    """Return all records of a file; none if it does not exist."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def append(path: Path, record: Record) -> None:
    """Add a record in one write, so that several runs may share the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(record) + "\n")


def same_runs(
    records: Sequence[Record], *, epochs: int, ties: str, archive: str
) -> list[Record]:
    """Return the records with this number of epochs, order of ties and archive."""
    wanted = (epochs, ties, archive)
    return [
        one
        for one in records
        if (one["epochs"], ties_of(one), one.get("archive")) == wanted
    ]


def ties_of(record: Record) -> str:
    """Return the order of interactions within one second; early records lack it."""
    return str(record.get("ties", FILE_ORDER))


def commits_of(record: Record) -> list[str | None]:
    """Return the commits that a training ran at; early records have only the last."""
    commits: list[str | None] = record.get("commits") or [record.get("commit")]
    return commits


def groups_of(
    records: Sequence[Record], current: Mapping[tuple[str, int], str]
) -> Groups:
    """Return the trainings that may be averaged: equal settings but for the seed.

    Args:
        records: oldest first; the last one of each seed counts.
        current: variant and seed → digest of the settings in this checkout.

    Returns:
        Variant and settings → trainings. Settings are `CURRENT`; or, for older ones,
        the commits of the training; or the digest, if a commit is unknown or dirty.
    """
    found: dict[tuple[str, str], dict[int, Record]] = {}
    for record in records:
        variant, seed = record["variant"], record["seed"]
        is_current = current.get((variant, seed)) == record["settings"]
        settings = CURRENT if is_current else _older_settings(record)
        found.setdefault((variant, settings), {})[seed] = record
    return {key: [*by_seed.values()] for key, by_seed in found.items()}


def _older_settings(record: Record) -> str:
    commits = commits_of(record)
    if any(commit is None or commit.endswith(DIRTY) for commit in commits):
        return str(record["settings"])
    return short(commits)


def short(commits: Sequence[str | None]) -> str:
    """Return abbreviated commits for a table."""
    names = [
        "unknown" if one is None else one[:SHORT] + DIRTY * one.endswith(DIRTY)
        for one in commits
    ]
    return " + ".join(names)


def mean(records: Sequence[Mapping[str, Any]], *path: str) -> float:
    """Return the mean of a number over records, found by its keys."""
    values: list[Any] = list(records)
    for name in path:
        values = [value[name] for value in values]
    return float(np.mean(values))


def metric_columns(part: str, metrics: Sequence[str]) -> dict[str, Cell]:
    """Return a column for the mean of each validation or test metric."""
    return {
        f"{part} {name.upper()}": lambda runs, name=name: (  # type: ignore[misc]
            f"{mean(runs, part, name):.4f}"
        )
        for name in metrics
    }


def request_time(runs: Sequence[Record]) -> str:
    """Return whether the models know the request time, which leaks information.

    Records say so themselves; early ones only in the parameters that they changed.
    """
    is_known = any(
        value
        for run in runs
        for name, value in {**run.get("parameters", {}), **run}.items()
        if name.rpartition(".")[-1] == "request_time"
    )
    return "known" if is_known else "no"


def training_seconds(runs: Sequence[Record]) -> str:
    """Return the mean seconds of training, without validation."""
    return f"{np.mean([sum(run['epoch_seconds']) for run in runs]):.0f}"
