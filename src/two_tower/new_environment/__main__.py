"""Command line that writes an environment for your own tables.

    python -m two_tower.new_environment purchases.csv --items books.jsonl --name shop

It reads the first rows of each table, guesses columns and formats, and writes
`conf/<name>` with comments that say what was guessed and what to check.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Final

from kedro.io import DatasetError

from two_tower.atomic import SAVING, name_failures
from two_tower.new_environment.environment import Environment, guess_environment
from two_tower.new_environment.yaml_files import yaml_files
from two_tower.scratch import Scratch

_CONF: Final = Path("conf")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_KEPT_NAMES: Final = {"base", "local"}


def main(arguments: list[str] | None = None) -> int:
    """Write an environment, and return the exit status.

    Args:
        arguments: words of the command line, None: those of this process.
    """
    given = _parser().parse_args(arguments)
    try:
        folder = _free_folder(given)
        found = guess_environment(
            _one_path(given.interactions),
            given.items,
            given.users,
            user_column=given.user_column,
            item_column=given.item_column,
        )
        _write(folder, found)
    except (DatasetError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_report(folder, found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m two_tower.new_environment",
        description="Write an environment for your own tables, guessed from their "
        "first rows: CSV, JSON lines or Parquet, also compressed, also patterns.",
    )
    parser.add_argument(
        "interactions",
        nargs="+",
        help="table of interactions; a pattern in quotes for several files",
    )
    parser.add_argument("--items", help="table with a row per item")
    parser.add_argument("--users", help="table with a row per user")
    parser.add_argument("--name", help="name of the environment; that of the table")
    parser.add_argument("--user-column", help="the interactions' column of users")
    parser.add_argument("--item-column", help="the interactions' column of items")
    return parser


def _one_path(paths: list[str]) -> str:
    if len(paths) > 1:
        pattern = Path(paths[0]).with_stem("*")
        raise ValueError(
            f"{len(paths)} files are given; put their pattern in quotes, so that the "
            f'shell leaves it alone: "{pattern}"'
        )
    return paths[0]


def _free_folder(given: argparse.Namespace) -> Path:
    """Return the folder to write, which must not exist."""
    if not (_CONF / "base").is_dir():
        raise ValueError(
            f"{_CONF / 'base'} is not there; run this command in the project's folder"
        )
    name = given.name or _name_of(given.interactions[0])
    if not _NAME.fullmatch(name) or name in _KEPT_NAMES:
        raise ValueError(
            f"the name {name!r} can't be that of an environment; give --name of "
            "lower-case letters, digits, - and _, other than base and local"
        )
    folder = _CONF / name
    if folder.exists():
        raise ValueError(
            f"{folder} exists and is not overwritten; give another --name, or remove it"
        )
    return folder


def _name_of(path: str) -> str:
    stem = Path(path).name.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-_") or "own-tables"


def _write(folder: Path, found: Environment) -> None:
    """Write the files; the folder appears when all are written."""
    with name_failures(folder), Scratch(_CONF, SAVING, folder.name) as scratch:
        new = scratch.path / folder.name
        for path, text in yaml_files(folder.name, found).items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_text(text, encoding="utf-8")
        new.rename(folder)


def _report(folder: Path, found: Environment) -> str:
    roles = found.interactions
    named = {
        "users": roles.user,
        "items": roles.item,
        "times": roles.time,
        "ratings": roles.rating,
    }
    lines = [f"{folder}: written from {found.interactions_table.filepath}"]
    lines += [f"  {what}: {c.name if c else 'none'}" for what, c in named.items()]
    for what, side in (("items", found.items), ("users", found.users)):
        if side:
            names = ", ".join(feature.name for feature in side.features) or "none"
            lines.append(f"  features of {what}: {names}")
    lines += [f"  CHECK: {check}" for check in found.checks]
    lines += [
        f"Look at {folder}/parameters/*.yml and {folder}/catalog/ingestion.yml, then:",
        f"  kedro run --env {folder.name}",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
