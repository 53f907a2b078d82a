"""Read the rows of the small tables, movies and users, with their line numbers."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from two_tower.movielens.archive import ArchiveError, open_table
from two_tower.movielens.releases import Release, TextTable

MAX_TABLE_BYTES: Final = 256 * 2**20
"""Limit of a table that is read at once. The largest published one has 4 MB."""


def read_rows(
    path: Path, release: Release, table: TextTable
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read the rows of a table as text.

    Args:
        path: the archive.
        release: format of the archive.
        table: one of the release's tables.

    Yields:
        Each row's line number, from 1, and its values, column → text.

    Raises:
        ArchiveError: `open_table` fails, the encoding is not the release's, the header
            is missing, or a line has a wrong number of values.
    """
    where = f"{release.path(table)} in {path}"
    with open_table(path, release, table) as stream:
        data = stream.read(MAX_TABLE_BYTES + 1)
    if len(data) > MAX_TABLE_BYTES:
        raise ArchiveError(
            f"{where} has more than {MAX_TABLE_BYTES:,} bytes, the limit of this table"
        )
    # splitlines() would also split at U+0085 and U+2028, which titles may hold.
    lines = _decode(data, table, where).rstrip("\r\n").split("\n")
    for number, line in enumerate((line.removesuffix("\r") for line in lines), 1):
        if number == 1 and table.header is not None:
            check_header(line, table, where)
            continue
        values = _split(line, table)
        if len(values) != len(table.columns):
            raise ArchiveError(
                f"line {number} of {where} has {len(values)} values, not "
                f"{len(table.columns)} separated by {table.separator!r}: {line[:80]!r}"
            )
        yield number, dict(zip(table.columns, values, strict=True))


def check_header(line: str, table: TextTable, where: str) -> None:
    """Refuse a first line that is not the table's header.

    Raises:
        ArchiveError: the line differs from `table.header`.
    """
    if line != table.header:
        raise ArchiveError(
            f"line 1 of {where} is {line[:80]!r}, not the header {table.header!r}"
        )


def parse_int(text: str, column: str, number: int, where: str) -> int:
    """Return a text as a whole number of 0 or more.

    Raises:
        ArchiveError: it is none; the message names column, line and file.
    """
    if not (text.isascii() and text.isdigit() and len(text) < len(str(2**63))):
        raise ArchiveError(
            f"{column} on line {number} of {where} is {text[:40]!r}, no whole number"
        )
    return int(text)


def _decode(data: bytes, table: TextTable, where: str) -> str:
    try:
        text = data.decode(table.encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ArchiveError(
            f"line {line} of {where} is not {table.encoding} ({error.reason}, byte "
            f"{data[error.start]:#x}); is it from another release?"
        ) from error
    if table.encoding == "latin-1" and not data.isascii() and _is_utf8(data):
        # All bytes are valid latin-1, but accented latin-1 is hardly ever valid UTF-8.
        raise ArchiveError(
            f"{where} is utf-8, but the release is latin-1: accents would be garbled"
        )
    return text


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _split(line: str, table: TextTable) -> list[str]:
    if table.quoted:
        try:
            return next(csv.reader([line], delimiter=table.separator, strict=True), [])
        except csv.Error:
            return [line]
    # The second value is the title and may hold the separator, so split around it.
    first, _, rest = line.partition(table.separator)
    return [first, *rest.rsplit(table.separator, len(table.columns) - 2)]
