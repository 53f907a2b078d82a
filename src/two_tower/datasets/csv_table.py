"""Dataset of CSV files, with every value as text."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from kedro.io import DatasetError
from pyarrow import csv as arrow_csv

from two_tower.datasets.source_bytes import open_utf8
from two_tower.datasets.source_files import SourceFilesDataset, logger
from two_tower.messages import shorten

_STAND_IN: Final = "\x1f"  # ASCII's unit separator
_VALUE: Final = re.compile(
    r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?"  # a number
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}.*)?"  # a date, or a time
)
_SHOWN: Final = 80  # characters of a row in a message


class CSVTableDataset(SourceFilesDataset):
    r"""Load CSV files as an Ibis table of text columns; read-only.

    A blank value is null, every other value is its text, and a line with a wrong number
    of values is an error that names the line. DuckDB's reader, used by
    `ibis.FileDataset`, guesses types, comments and the first row from the first lines:
    it may read "007" as 7, and it skips lines that don't fit without a message.

    Example:
        ```yaml
        raw_interactions:
          type: two_tower.datasets.csv_table.CSVTableDataset
          filepath: data/01_raw/clicks-*.dat.gz
          separator: "::"
          columns: [user, item, rating, time] # without a header
        ```
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        filepath: str,
        separator: str = ",",
        encoding: str = "utf-8",
        columns: Sequence[str] | None = None,
        quoting: bool = True,
        escape: str | None = None,
        connection: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local file, or a pattern of several.
            separator: one or more characters between two values.
            encoding: one of Python's encodings.
            columns: names of the columns of files without a header. None: the first
                line of each file names them; a blank name becomes `unnamed_<position>`.
            quoting: double quotes enclose values, and may be left out. False: a quote
                is a character like any other.
            escape: a character, mostly a backslash, before a quote that belongs to a
                quoted value. A doubled quote always does.
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
        _require_separator(separator)
        self._separator = separator
        self._names = None if columns is None else [str(name) for name in columns]
        self._quoting = quoting
        self._escape = escape
        if self._names is not None:
            _require_distinct(self._names, f"columns of {filepath}")

    def schema_of(self, files: Sequence[Path]) -> pa.Schema:
        headers = [self._columns(file) for file in files]
        for (first, before), (second, after) in pairwise(
            zip(files, headers, strict=True)
        ):
            if before != after:
                raise DatasetError(
                    f"{second} has the columns {', '.join(after)}, but {first} has "
                    f"{', '.join(before)}; files of one table need the same header"
                )
        return pa.schema({name: pa.string() for name in headers[0]})

    def read_batches(self, file: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        invalid: list[arrow_csv.InvalidRow] = []
        merged = _MergedRows(file, self._delimiter(), quoting=self._quoting)
        # Errors name the row only if a single thread reads.
        read = arrow_csv.ReadOptions(use_threads=False, column_names=self._names)
        parse = self._parse_options(invalid)
        try:
            with (
                self._open(file) as stream,
                arrow_csv.open_csv(stream, read, parse, _as_text(schema)) as reader,
            ):
                for batch in reader:
                    merged.check(batch)
                    yield self._finish(batch, schema)
        except pa.ArrowInvalid as error:
            raise DatasetError(
                self._row_message(file, schema, invalid[-1])
                if invalid
                else self._parser_message(file, error)
            ) from error

    def options(self) -> dict[str, Any]:
        return {
            "separator": self._separator,
            "columns": self._names,
            "quoting": self._quoting,
            "escape": self._escape,
        }

    def _open(self, file: Path) -> Any:
        if len(self._separator) == 1:
            return open_utf8(file, self._encoding)
        return open_utf8(file, self._encoding, self._separator, _STAND_IN)

    def _parse_options(self, invalid: list[Any]) -> arrow_csv.ParseOptions:
        def remember(row: arrow_csv.InvalidRow) -> str:
            invalid.append(row)
            return "error"

        return arrow_csv.ParseOptions(
            delimiter=self._delimiter(),
            quote_char='"' if self._quoting else False,
            escape_char=self._escape or False,
            newlines_in_values=self._quoting,
            invalid_row_handler=remember,
        )

    def _delimiter(self) -> str:
        return self._separator if len(self._separator) == 1 else _STAND_IN

    def _finish(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        """Name all columns, and restore the separators that quoted values hold."""
        columns = batch.columns
        if len(self._separator) > 1 and self._quoting:
            columns = [
                pc.replace_substring(column, _STAND_IN, self._separator)
                for column in columns
            ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _columns(self, file: Path) -> list[str]:
        with self._open(file) as stream:
            header: list[str] = next(filter(None, self._rows(stream)), [])
        if self._names is not None:
            self._require_no_header(file, header)
            return self._names
        self._require_header(file, header)
        return [
            name or f"unnamed_{position}" for position, name in enumerate(header, 1)
        ]

    def _rows(self, stream: io.BufferedReader) -> Any:
        """Return Python's reader of the rows; it counts lines, PyArrow counts rows."""
        return csv.reader(
            io.TextIOWrapper(stream, "utf-8", newline=""),
            delimiter=self._delimiter(),
            quoting=csv.QUOTE_MINIMAL if self._quoting else csv.QUOTE_NONE,
            escapechar=self._escape,
        )

    def _require_header(self, file: Path, header: list[str]) -> None:
        start = "".join(header[:1]).lstrip()
        if start.startswith(("{", "[{")):
            raise DatasetError(
                f"{file} holds JSON, not CSV; declare type: "
                "two_tower.datasets.json_lines.JSONLinesDataset in the catalog"
            )
        named = [name for name in header if name]
        if not named or len(set(named)) < len(named):
            raise DatasetError(
                f"the first line of {file} is {header}; it must give each column a "
                "name of its own, or set columns: [<names>] in its catalog entry if "
                "the file has no header"
            )
        values = [name for name in named if is_value(name)]
        # pandas numbers the columns of a table without names.
        is_numbered = values == [str(i) for i in range(len(values))]
        if len(values) > len(named) / 2 and not is_numbered:
            raise DatasetError(
                f"the first line of {file} is {header}, which are values and no names; "
                "set columns: [<names>] in its catalog entry"
            )

    def _require_no_header(self, file: Path, first: list[str]) -> None:
        if [value.strip() for value in first] == self._names:
            raise DatasetError(
                f"the first line of {file} is the header {first}, but columns in its "
                "catalog entry says that it has none; remove columns there"
            )

    def _row_message(
        self, file: Path, schema: pa.Schema, row: arrow_csv.InvalidRow
    ) -> str:
        text = shorten(row.text.replace(_STAND_IN, self._separator), _SHOWN)
        return (
            f"{file} can't be read: {self._name_row(file, row)} has "
            f"{row.actual_columns} values, but there are {row.expected_columns} "
            f"columns ({', '.join(schema.names)}): {text!r}. Correct the line, or in "
            f"the catalog the separator ({self._separator!r}), quoting or escape"
        )

    def _name_row(self, file: Path, row: arrow_csv.InvalidRow) -> str:
        """Return the line at which a row ends, or its number if that isn't found."""
        with self._open(file) as stream:
            rows = self._rows(stream)
            found: Sequence[str]
            try:
                found = next(islice(filter(None, rows), row.number - 1, None), ())
            except csv.Error:
                found = ()
            if len(found) == row.actual_columns:
                return f"line {rows.line_num:,}"
        return f"row {row.number:,}"

    def _parser_message(self, file: Path, error: pa.ArrowInvalid) -> str:
        if "Empty CSV" in str(error):
            return f"{file} is empty; put the table there"
        if "straddling" in str(error):
            return (
                f"{file} can't be read: a row is longer than 1 MiB, since a quote is "
                "opened and not closed; set quoting: false in its catalog entry if "
                "quotes don't enclose values"
            )
        return f"{file} can't be read: {error}"


def is_value(text: str) -> bool:
    """Return whether a text is a number or a date, and so no name of a column."""
    return _VALUE.fullmatch(text.strip()) is not None


class _MergedRows:
    """Warning of rows that a stray quote has merged into one value."""

    def __init__(self, file: Path, separator: str, *, quoting: bool) -> None:
        self._file = file
        self._separator = separator
        self._is_sought = quoting  # until one is found

    def check(self, batch: pa.RecordBatch) -> None:
        """Look for a line in a value that has as many separators as a row."""
        n_separators = batch.num_columns - 1
        if not self._is_sought or n_separators == 0:
            return
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            for value in column.filter(pc.match_substring(column, "\n")).to_pylist():
                lines = value.split("\n")
                if any(line.count(self._separator) >= n_separators for line in lines):
                    self._warn(name, value)
                    return

    def _warn(self, name: str, value: str) -> None:
        self._is_sought = False
        logger.warning(
            "%s: a value of %s looks like several rows, merged by a stray quote: %r; "
            "set quoting: false in its catalog entry if quotes don't enclose values",
            self._file,
            name,
            shorten(value, _SHOWN),
        )


def _as_text(schema: pa.Schema) -> arrow_csv.ConvertOptions:
    """Return the options that read each column as text, a blank value as null."""
    return arrow_csv.ConvertOptions(
        column_types=dict.fromkeys([*schema.names, ""], pa.string()),
        strings_can_be_null=True,
        null_values=[""],
        check_utf8=False,  # the stream is decoded already
    )


def _require_separator(separator: str) -> None:
    if separator == r"\t":
        raise DatasetError(
            'separator is a backslash and a t; write "\\t" in double quotes for a tab'
        )
    if not separator or set(separator) & {"\n", "\r", '"', _STAND_IN}:
        raise DatasetError(
            f"separator is {separator!r}; give the text between two values, without "
            "quotes and line ends"
        )


def _require_distinct(names: list[str], source: str) -> None:
    if not names or "" in names or len(set(names)) < len(names):
        raise DatasetError(f"{source} are {names}; give each column a name of its own")
