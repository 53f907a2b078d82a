"""Dataset of files with one user per line: the user, then the user's items."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from kedro.io import DatasetError

from two_tower.datasets.source_bytes import open_utf8
from two_tower.datasets.source_files import SourceFilesDataset

_ROWS_PER_BATCH: Final = 100_000
_LINE_CHARACTERS: Final = 1 << 26


class ItemListsDataset(SourceFilesDataset):
    """Load lines `user item item …` as an Ibis table of a row per item; read-only.

    The items of a user keep the order of the line. A line with a user alone has no row.

    Example:
        ```yaml
        raw_interactions:
          type: two_tower.datasets.item_lists.ItemListsDataset
          filepath: data/01_raw/train.txt
          columns: [user, item]
        ```
    """

    def __init__(
        self,
        *,
        filepath: str,
        columns: Sequence[str],
        separator: str | None = None,
        encoding: str = "utf-8",
        connection: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local file, or a pattern of several.
            columns: names of the two columns, user and item.
            separator: text between two ids; None: blanks and tabs.
            encoding: one of Python's encodings.
            connection: Ibis backend of the loaded table: its `backend`, and arguments
                of `connect`. The default is DuckDB in memory.
            metadata: for Kedro plugins; not read here.

        Raises:
            DatasetError: the options can't be used.
        """
        super().__init__(
            filepath=filepath,
            encoding=encoding,
            connection=connection,
            metadata=metadata,
        )
        if len(set(columns)) != 2 or separator == "":  # noqa: PLR2004 - user and item
            raise DatasetError(
                f"columns is {columns!r} and separator {separator!r}; name the user "
                "and the item, columns: [user, item], and leave separator out for "
                "blanks"
            )
        self._columns = [str(name) for name in columns]
        self._separator = separator

    def schema_of(self, files: Sequence[Path]) -> pa.Schema:
        return pa.schema({name: pa.string() for name in self._columns})

    def read_batches(self, file: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        users: list[str] = []
        items: list[str] = []
        with open_utf8(file, self._encoding) as stream:
            for user, listed in self._lines(file, stream):
                users.extend([user] * len(listed))
                items.extend(listed)
                if len(items) >= _ROWS_PER_BATCH:
                    yield pa.RecordBatch.from_arrays([users, items], schema=schema)
                    users, items = [], []
        yield pa.RecordBatch.from_arrays([users, items], schema=schema)

    def options(self) -> dict[str, Any]:
        return {"columns": self._columns, "separator": self._separator}

    def _lines(
        self, file: Path, stream: io.BufferedReader
    ) -> Iterator[tuple[str, list[str]]]:
        text = io.TextIOWrapper(stream, "utf-8")
        number = 0
        while line := text.readline(_LINE_CHARACTERS):
            number += 1
            ids = [one.strip() for one in line.rstrip("\n").split(self._separator)]
            if not any(ids):
                continue
            if "" in ids:
                raise DatasetError(
                    f"{file} can't be read: line {number:,} has a blank id; correct "
                    "the line"
                )
            yield ids[0], ids[1:]
