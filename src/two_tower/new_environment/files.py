"""Guess of a table's file format, and its first rows."""

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import DatasetError

from two_tower.datasets.csv_table import CSVTableDataset, is_value
from two_tower.datasets.item_lists import ItemListsDataset
from two_tower.datasets.json_lines import ColumnType, JSONLinesDataset, infer_types
from two_tower.datasets.source_bytes import read_start
from two_tower.datasets.source_files import SourceFilesDataset, find_files
from two_tower.new_environment.values import Column

N_ROWS: Final = 10_000
_START_BYTES: Final = 1 << 24
_N_LINES: Final = 2_000
_SEPARATORS: Final = ("\t", ",", ";", "|", "::", "^", " ", "#")
_CONSISTENT: Final = 0.99  # least share of rows that have as many values as the header
_WIDEST_TABLE: Final = 5  # columns of numbers between blanks, rather than items
_MOST_KEYS: Final = 20  # of an object that is read key by key
_PARQUET: Final = b"PAR1"


@dataclass(frozen=True)
class Table:
    """A table's catalog entry and first rows.

    Attributes:
        filepath: file or pattern, as in the catalog.
        type: class of the dataset.
        options: its other options; the ones that differ from the defaults.
        columns: first rows, at most 10,000.
        is_complete: these are all rows.
        notes: what was guessed of the file, a sentence each.
    """

    filepath: str
    type: str
    options: dict[str, Any]
    columns: list[Column]
    is_complete: bool
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        return len(self.columns[0].values) if self.columns else 0

    @property
    def has_header(self) -> bool:
        return "columns" not in self.options or self.type == JSON_LINES

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def renamed(self, names: dict[str, str]) -> "Table":
        """Return the table of a file without header with other names of columns."""
        columns = [replace(c, name=names.get(c.name, c.name)) for c in self.columns]
        options = {**self.options, "columns": [column.name for column in columns]}
        return replace(self, columns=columns, options=options)


CSV: Final = "two_tower.datasets.csv_table.CSVTableDataset"
JSON_LINES: Final = "two_tower.datasets.json_lines.JSONLinesDataset"
ITEM_LISTS: Final = "two_tower.datasets.item_lists.ItemListsDataset"
PARQUET: Final = "ibis.FileDataset"


def read_table(filepath: str) -> Table:
    """Guess the format of a file, or of the files of a pattern, and read its start.

    Raises:
        DatasetError: there is no file, or it is no table that can be read.
    """
    files = find_files(filepath)
    with files[0].open("rb") as file:
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    return _read_parquet(filepath, files) if is_parquet else _read_text(filepath, files)


def _read_parquet(filepath: str, files: Sequence[Path]) -> Table:
    try:
        with pq.ParquetFile(files[0]) as file:
            n_all = file.metadata.num_rows
            batches = list(islice(file.iter_batches(N_ROWS), 1))
    except pa.ArrowException as error:
        raise DatasetError(f"{files[0]} can't be read: {error}") from error
    rows = (
        pa.Table.from_batches(batches) if batches else file.schema_arrow.empty_table()
    )
    columns = [
        Column(name, [_plain(value) for value in rows[name].to_pylist()])
        for name in rows.column_names
    ]
    return Table(
        filepath,
        PARQUET,
        {"file_format": "parquet"},
        columns,
        is_complete=n_all <= N_ROWS and len(files) == 1,
    )


def _plain(value: Any) -> Any:
    """Return a value of Parquet as CSV or JSON lines would have it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return [str(inner) for inner in value if inner is not None]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _read_text(filepath: str, files: Sequence[Path]) -> Table:
    start = read_start(files[0], _START_BYTES)
    encoding, notes = _guess_encoding(start)
    decoder = codecs.getincrementaldecoder(encoding or "utf-8")()
    text = decoder.decode(start).removeprefix("\ufeff")
    options: dict[str, Any] = {} if encoding is None else {"encoding": encoding}
    if not text.strip():
        raise DatasetError(f"{files[0]} is empty; put the table there")
    if text.lstrip().startswith(("{", "[{", "[\n")):
        return _read_json(filepath, files, options, text, notes)
    lines = text.splitlines()
    if len(start) == _START_BYTES:
        lines = lines[:-1]  # it may not be whole
    dialect = _guess_dialect(lines[:_N_LINES])
    if dialect is None or dialect.is_item_lists:
        return _read_item_lists(filepath, files, options, lines, notes)
    return _read_csv(filepath, files, {**options, **dialect.options}, dialect, notes)


def _guess_encoding(start: bytes) -> tuple[str | None, tuple[str, ...]]:
    """Return Python's name of the encoding, None for UTF-8, and a note."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", ("the file begins with the mark of UTF-16",)
    head = start[:1000]
    if head.count(b"\0") > len(head) / 4:
        name = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        return name, (f"every second byte is zero, as in {name}",)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        pass
    else:
        return None, ()
    name = "latin-1"
    if any(0x80 <= byte < 0xA0 for byte in start):  # noqa: PLR2004 - controls of latin-1
        try:
            start.decode("cp1252")
            name = "cp1252"
        except UnicodeDecodeError:
            pass
    return name, (f"CHECK: the file is not UTF-8; {name} is a guess, look at accents",)


def _read_json(
    filepath: str,
    files: Sequence[Path],
    options: dict[str, Any],
    text: str,
    notes: tuple[str, ...],
) -> Table:
    first = text.lstrip().partition("\n")[0]
    try:
        json.loads(first)
    except ValueError:
        if first.startswith("{'"):
            options = {**options, "syntax": "python"}
    dataset = JSONLinesDataset(filepath=filepath, **options)
    columns, is_complete = _sample(dataset, files)
    while (inner := _open_objects(columns)) is not None:
        dataset = JSONLinesDataset(filepath=filepath, columns=inner, **options)
        columns, is_complete = _sample(dataset, files)
    return Table(filepath, JSON_LINES, options, columns, is_complete, notes)


def _open_objects(columns: Sequence[Column]) -> dict[str, ColumnType] | None:
    """Return the keys and types with objects replaced by their keys, None: no object.

    Objects of many keys are kept: their keys are ids or free names.
    """
    types: dict[str, ColumnType] = {}
    is_opened = False
    for column in columns:
        inner = infer_types(iter(_objects(column)))
        if 0 < len(inner) <= _MOST_KEYS:
            types |= {f"{column.name}.{key}": kind for key, kind in inner.items()}
            is_opened = True
        else:
            types[column.name] = "list" if column.holds_lists else "text"
    return types if is_opened else None


def _objects(column: Column) -> list[dict[str, Any]]:
    """Return the objects of a column that has nothing else."""
    try:
        values = [json.loads(text) for text in column.texts if text.startswith("{")]
    except ValueError:
        return []
    is_whole = len(values) == len(column.texts)
    return values if is_whole and all(isinstance(v, dict) for v in values) else []


def _read_item_lists(
    filepath: str,
    files: Sequence[Path],
    options: dict[str, Any],
    lines: list[str],
    notes: tuple[str, ...],
) -> Table:
    separator = next((s for s in (",", ";") if s in lines[0]), None)
    widest = max(len(line.split(separator)) for line in lines[:_N_LINES])
    if widest == 1 or any('"' in line for line in lines[:_N_LINES]):
        raise DatasetError(
            f"{files[0]} has no separator that gives each line as many values as the "
            f"first: {lines[0][:80]!r}; export the table as CSV with a header"
        )
    options = {**options, "columns": ["user", "item"]}
    if separator is not None:
        options["separator"] = separator
    dataset = ItemListsDataset(filepath=filepath, **options)
    columns, is_complete = _sample(dataset, files)
    note = "CHECK: each line is taken for a user, then the user's items"
    return Table(filepath, ITEM_LISTS, options, columns, is_complete, (note, *notes))


def _read_csv(
    filepath: str,
    files: Sequence[Path],
    options: dict[str, Any],
    dialect: "_Dialect",
    notes: tuple[str, ...],
) -> Table:
    if not _has_header(dialect.rows):
        width = len(dialect.rows[0])
        options = {**options, "columns": [f"column_{i}" for i in range(1, width + 1)]}
        notes = (
            *notes,
            "CHECK: the first line holds values, so the file has no header; these "
            "names are made up",
        )
    columns, is_complete = _sample(CSVTableDataset(filepath=filepath, **options), files)
    if not columns[0].values:
        raise DatasetError(f"{files[0]} has a header, but no rows; put the table there")
    return Table(filepath, CSV, options, columns, is_complete, (*dialect.notes, *notes))


def _sample(
    dataset: SourceFilesDataset, files: Sequence[Path]
) -> tuple[list[Column], bool]:
    """Return the first rows, and whether these are all."""
    schema = dataset.schema_of(files)
    batches = (batch for file in files for batch in dataset.read_batches(file, schema))
    some: list[pa.RecordBatch] = []
    while sum(map(len, some)) <= N_ROWS and (batch := next(batches, None)) is not None:
        some.append(batch)
    rows = pa.Table.from_batches(some, schema=schema)
    first = rows.slice(0, N_ROWS)
    columns = [Column(name, first[name].to_pylist()) for name in schema.names]
    return columns, len(rows) <= N_ROWS


@dataclass(frozen=True)
class _Dialect:
    """How the lines of a file separate and quote values; `rows` are the first ones."""

    separator: str
    quoting: bool
    escape: str | None
    rows: list[list[str]]
    notes: tuple[str, ...] = ()

    @property
    def consistency(self) -> float:
        """The share of rows with as many values as the first."""
        lengths = Counter(map(len, self.rows))
        return lengths[len(self.rows[0])] / len(self.rows)

    @property
    def is_item_lists(self) -> bool:
        """Return whether rows are whole numbers between blanks, and many."""
        is_wide = len(self.rows[0]) > _WIDEST_TABLE and self.separator == " "
        return is_wide and all(map(str.isdecimal, _cells(self.rows)))

    @property
    def options(self) -> dict[str, Any]:
        """The options of `CSVTableDataset` that differ from its defaults."""
        found = {
            "separator": self.separator if self.separator != "," else None,
            "quoting": None if self.quoting else False,
            "escape": self.escape,
        }
        return {name: value for name, value in found.items() if value is not None}


def _guess_dialect(lines: list[str]) -> _Dialect | None:
    """Return the way in which most lines have as many values as the first."""
    candidates = [
        dialect
        for separator in _SEPARATORS
        if separator in lines[0]
        for dialect in _dialects(lines, separator)
        if dialect.consistency >= _CONSISTENT
    ]
    # Of several, a separator within values gives fewer columns, but blanks may not.
    return max(
        candidates,
        key=lambda one: (one.separator != " ", len(one.rows[0]), one.consistency),
        default=None,
    )


def _dialects(lines: list[str], separator: str) -> Iterator[_Dialect]:
    bare = _Dialect(separator, False, None, _rows(lines, separator, quoting=False))  # noqa: FBT003
    if not any('"' in line for line in lines):
        yield replace(bare, quoting=True)
        return
    if bare.consistency >= _CONSISTENT and any(map(_is_stray, _cells(bare.rows))):
        note = "CHECK: quotes do not enclose values, so they are kept as characters"
        yield replace(bare, notes=(note,))
        return
    quoted = _Dialect(separator, True, None, _rows(lines, separator, quoting=True))  # noqa: FBT003
    if any('\\"' in line for line in lines):
        rows = _rows(lines, separator, quoting=True, escape="\\")
        escaped = replace(quoted, escape="\\", rows=rows)
        if escaped.consistency >= quoted.consistency:
            yield replace(escaped, notes=('a backslash stands before quotes: \\"',))
            return
    yield quoted


def _rows(
    lines: list[str], separator: str, *, quoting: bool, escape: str | None = None
) -> list[list[str]]:
    one = separator if len(separator) == 1 else "\x1f"
    text = io.StringIO("\n".join(line.replace(separator, one) for line in lines))
    reader = csv.reader(
        text,
        delimiter=one,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        escapechar=escape,
    )
    try:
        return [row for row in reader if row]
    except csv.Error:  # a value of more than 128 KiB, by a quote that isn't closed
        return [[], [""]]


def _cells(rows: list[list[str]]) -> Iterator[str]:
    return (cell for row in rows for cell in row)


def _is_stray(cell: str) -> bool:
    """Return whether a cell's quotes can't enclose it."""
    text = cell.strip()
    return '"' in text and not (
        len(text) > 1 and text.startswith('"') and text.endswith('"')
    )


def _has_header(rows: list[list[str]]) -> bool:
    header = [name.strip() for name in rows[0]]
    if header == [str(i) for i in range(len(header))]:
        return True  # pandas numbers the columns of a table without names
    if any(map(is_value, header)):
        return False
    repeated = [
        name in {row[i].strip() for row in rows[1:] if i < len(row)}
        for i, name in enumerate(header)
        if name
    ]
    return not any(repeated)
