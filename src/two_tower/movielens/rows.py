"""Rows of the small tables, movies and users, with the line each stands on."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from two_tower.movielens.archive import ArchiveError, open_table
from two_tower.movielens.releases import Release, TextTable

MAX_LISTED_BYTES: Final = 256 * 2**20
"""These tables are read whole. The largest published, ml-32m's movies, has 4 MB."""


def read_rows(
    path: Path, release: Release, table: TextTable
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table whose values are wanted as text.

    Args:
        path: the archive.
        release: how it is written.
        table: the table wanted, one of the release's.

    Yields:
        Each row's line number, from 1, and its values by column, as they stand there.

    Raises:
        ArchiveError: as `open_table`, and for another encoding than the release's, a
            missing header, and a line with another number of values.
    """
    where = f"{release.path(table)} in {path}"
    with open_table(path, release, table) as stream:
        data = stream.read(MAX_LISTED_BYTES + 1)
    if len(data) > MAX_LISTED_BYTES:
        raise ArchiveError(
            f"{where} has more than {MAX_LISTED_BYTES:,} bytes, the most that is read"
        )
    # Not splitlines(): it also cuts at U+0085 and U+2028, which titles may hold.
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
    """Return a value that must be a whole number from 0 on.

    Raises:
        ArchiveError: it isn't; the message names column, line and file.
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
        # Any bytes are latin-1; but accented latin-1 is hardly ever UTF-8 by chance.
        raise ArchiveError(
            f"{where} is utf-8, but this release is latin-1: accents would be garbled"
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
    # The title stands second and may hold the separator, so cut around it.
    first, _, rest = line.partition(table.separator)
    return [first, *rest.rsplit(table.separator, len(table.columns) - 2)]
