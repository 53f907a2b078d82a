"""Lines of a study's results: read, added to, and put into groups that may be averaged.

A training's settings are known by a digest of the parameters that it reads, the seed
among them: those of alternatives that were not chosen may change.
What a checkout gives no longer, other parameters or other code, stays readable.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
Groups: TypeAlias = dict[tuple[str, str], list[Record]]

CURRENT = "current"
FILE_ORDER = "file_order"  # the data's own order of interactions of one second
SHORT = 10  # digits of a commit that are shown
DIRTY = "-dirty"


def read_records(path: Path) -> list[Record]:
    """Return the records that there are."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def append(path: Path, record: Record) -> None:
    """Add a record; one line at once, so that several runs may share the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(record) + "\n")


def same_runs(
    records: Sequence[Record], *, epochs: int, ties: str, archive: str
) -> list[Record]:
    """Return the records of as many epochs, on the same data in the same order."""
    asked = (epochs, ties, archive)
    return [
        one
        for one in records
        if (one["epochs"], ties_of(one), one.get("archive")) == asked
    ]


def ties_of(record: Record) -> str:
    """Return how interactions of one second were ordered; once there was one way."""
    return str(record.get("ties", FILE_ORDER))


def commits_of(record: Record) -> list[str | None]:
    """Return the commits that a training ran at; once the last one alone was kept."""
    commits: list[str | None] = record.get("commits") or [record.get("commit")]
    return commits


def groups_of(
    records: Sequence[Record], current: Mapping[tuple[str, int], str]
) -> Groups:
    """Return the trainings that may be averaged: one of each seed, of like settings.

    Args:
        records: in the order they were made; of a seed the last one counts.
        current: variant and seed → digest of what this checkout would train.

    Returns:
        Variant and settings → trainings. Settings are `CURRENT`, or of an older record
        the commits that made it, or its digest if no commit says what they were.
    """
    found: dict[tuple[str, str], dict[int, Record]] = {}
    for record in records:
        variant, seed = record["variant"], record["seed"]
        is_current = current.get((variant, seed)) == record["settings"]
        settings = CURRENT if is_current else older_settings(record)
        found.setdefault((variant, settings), {})[seed] = record
    return {key: [*of_seeds.values()] for key, of_seeds in found.items()}


def older_settings(record: Record) -> str:
    """Return what tells a record's settings apart from those of other times."""
    commits = commits_of(record)
    if any(commit is None or commit.endswith(DIRTY) for commit in commits):
        return str(record["settings"])
    return short(commits)


def short(commits: Sequence[str | None]) -> str:
    """Return commits as a table shows them."""
    names = [
        "unknown" if one is None else one[:SHORT] + DIRTY * one.endswith(DIRTY)
        for one in commits
    ]
    return " + ".join(names)
