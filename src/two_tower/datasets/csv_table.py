"""A table of a CSV file, every value the text that stands there."""

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

from two_tower.datasets.text_tables import bind_batches, preview_batches


class CSVTableDataset(FileDataset):
    """Load a CSV file with a header as an Ibis table of text; never save.

    Nothing is guessed. DuckDB's own reader, which `ibis.FileDataset` uses, looks at the
    first lines to find types, comments and where the table begins: it reads "007" as 7
    or not according to its neighbours, and skips lines that don't fit the rest without
    a word. Here a blank value is null, everything else is text as it stands, and a
    line with another number of values is an error that names it.

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
        """Describe where the table lies; nothing is opened.

        Args:
            filepath: a local file, whose first line names the columns.
            separator: the character between two values.
            encoding: as Python names it.
            connection: the Ibis backend that `load` binds the table to: its `backend`,
                and what `connect` takes. The default is DuckDB in memory.
            metadata: for Kedro plugins; not read here.
        """
        super().__init__(filepath=filepath, connection=connection, metadata=metadata)
        self._separator = separator
        self._encoding = encoding

    def load(self) -> ir.Table:
        with self._open() as (schema, batches):
            return bind_batches(self.connection, schema, batches)[0]

    def save(self, data: ir.Table) -> None:
        raise DatasetError(f"{self._filepath} is only read, never saved to")

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
                # Only one thread counts the rows that an error names.
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
                f"{self._filepath} can't be read: {error} (row 1 is the header, values "
                f"stand between {self._separator!r})"
            ) from error

    def _columns(self) -> list[str]:
        path = Path(self._filepath)
        if not path.is_file():
            raise DatasetError(f"{path} is absent; put the file there")
        encoding = "utf-8-sig" if self._encoding == "utf-8" else self._encoding
        # Bytes that are not of this encoding are for pyarrow to refuse, with their row.
        with path.open(newline="", encoding=encoding, errors="replace") as file:
            columns = next(csv.reader(file, delimiter=self._separator), [])
        if not columns or "" in columns or len(set(columns)) < len(columns):
            raise DatasetError(
                f"the first line of {path} is {columns}; it must name every column, "
                "each differently"
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
