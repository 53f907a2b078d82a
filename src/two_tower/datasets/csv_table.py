"""Dataset of a CSV file, with every value as text."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.ibis import FileDataset
from pyarrow import csv as arrow_csv

from two_tower.datasets.arrow_batches import bind_batches, preview_batches


class CSVTableDataset(FileDataset):
    """Load a CSV file with a header as an Ibis table of text columns; read-only.

    A blank value is null, every other value is its text, and a line with a wrong number
    of values is an error that names the line. DuckDB's reader, used by
    `ibis.FileDataset`, guesses types, comments and the first row from the first lines:
    it may read "007" as 7, and it skips lines that don't fit without a message.

    Example:
        ```yaml
        raw_interactions:
          type: two_tower.datasets.csv_table.CSVTableDataset
          filepath: data/01_raw/purchases.csv
          separator: ";"
        ```
    """

    def __init__(
        self,
        *,
        filepath: str,
        separator: str = ",",
        encoding: str = "utf-8",
        connection: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local file; its first line names the columns.
            separator: the character between two values.
            encoding: one of Python's encodings.
            connection: Ibis backend of the loaded table: its `backend`, and arguments
                of `connect`. The default is DuckDB in memory.
            metadata: for Kedro plugins; not read here.
        """
        super().__init__(filepath=filepath, connection=connection, metadata=metadata)
        self._separator = separator
        self._encoding = encoding

    def load(self) -> ir.Table:
        with self._open() as (schema, batches):
            return bind_batches(self.connection, schema, batches)[0]

    def save(self, data: ir.Table) -> None:
        raise DatasetError(f"{self._filepath} is read-only")

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows for Kedro-Viz."""
        with self._open() as (schema, batches):
            return preview_batches(schema, batches, nrows)

    @contextmanager
    def _open(self) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        schema = pa.schema({name: pa.string() for name in self._columns()})
        try:
            with arrow_csv.open_csv(
                str(self._filepath),
                # Errors name the row only if a single thread reads.
                arrow_csv.ReadOptions(use_threads=False, encoding=self._encoding),
                arrow_csv.ParseOptions(
                    delimiter=self._separator, newlines_in_values=True
                ),
                arrow_csv.ConvertOptions(
                    column_types=schema, strings_can_be_null=True, null_values=[""]
                ),
            ) as reader:
                yield schema, iter(reader)
        except pa.ArrowInvalid as error:
            raise DatasetError(
                f"{self._filepath} can't be read: {error} (row 1 is the header; values "
                f"are separated by {self._separator!r})"
            ) from error

    def _columns(self) -> list[str]:
        path = Path(self._filepath)
        if not path.is_file():
            raise DatasetError(f"{path} is missing; put the file there")
        encoding = "utf-8-sig" if self._encoding == "utf-8" else self._encoding
        # Bytes of another encoding are refused by pyarrow, which names their row.
        with path.open(newline="", encoding=encoding, errors="replace") as file:
            columns = next(csv.reader(file, delimiter=self._separator), [])
        if not columns or "" in columns or len(set(columns)) < len(columns):
            raise DatasetError(
                f"the first line of {path} is {columns}; it must give each column a "
                "name of its own"
            )
        return columns

    def _exists(self) -> bool:
        return Path(self._filepath).is_file()

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": str(self._filepath),
            "separator": self._separator,
            "encoding": self._encoding,
            "backend": self._connection_config["backend"],
        }
