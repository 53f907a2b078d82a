"""Dataset of files with one JSON object per line."""

import ast
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa
from kedro.io import DatasetError

from two_tower.datasets.source_bytes import open_utf8
from two_tower.datasets.source_files import SourceFilesDataset
from two_tower.messages import shorten

ColumnType: TypeAlias = Literal["text", "list"]
Syntax: TypeAlias = Literal["json", "python"]

ROWS_OF_TYPES: Final = 10_000
"""First lines of each file that give the columns and their types."""
_ROWS_PER_BATCH: Final = 10_000
_LINE_CHARACTERS: Final = 1 << 26
_SHOWN: Final = 80  # characters of a line in a message
_ARROW: Final = {"text": pa.string(), "list": pa.list_(pa.string())}


class JSONLinesDataset(SourceFilesDataset):
    """Load JSON lines as an Ibis table of texts and lists of texts; read-only.

    Numbers and true/false become their text, null and blank text become null. A list of
    lists becomes one list without repeats; an object, or a list of objects, becomes its
    JSON text. A key that a line lacks is null there.

    Example:
        ```yaml
        raw_items:
          type: two_tower.datasets.json_lines.JSONLinesDataset
          filepath: data/01_raw/meta_*.jsonl.gz
          columns: { asin: text, title: text, categories: list, details.brand: text }
        ```
    """

    def __init__(
        self,
        *,
        filepath: str,
        columns: Mapping[str, ColumnType] | None = None,
        syntax: Syntax = "json",
        encoding: str = "utf-8",
        connection: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local file, or a pattern of several.
            columns: keys to read → `text` or `list`; a dot leads into an object. None:
                all keys of the first 10,000 lines of each file, with the types found.
            syntax: `json`, or `python` for lines that Python prints: `{'asin': None}`.
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
        _require_options(columns, syntax)
        self._declared = None if columns is None else dict(columns)
        self._syntax: Syntax = syntax

    def schema_of(self, files: Sequence[Path]) -> pa.Schema:
        columns = self._declared
        if columns is None:
            columns = {}
            for file in files:
                for name, found in self._infer(file).items():
                    columns[name] = "list" if columns.get(name) == "list" else found
        if not columns:
            raise DatasetError(f"{self._filepath} has no lines; put the table there")
        return pa.schema([(name, _ARROW[found]) for name, found in columns.items()])

    def read_batches(self, file: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        convert = {name: self._converter(schema.field(name)) for name in schema.names}
        with self._objects(file) as objects:
            while some := list(islice(objects, _ROWS_PER_BATCH)):
                rows = [_as_row(file, line, one, convert) for line, one in some]
                columns = [
                    pa.array(values, field.type)
                    for values, field in zip(
                        zip(*rows, strict=True), schema, strict=True
                    )
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def options(self) -> dict[str, Any]:
        return {"columns": self._declared, "syntax": self._syntax}

    def _converter(self, field: pa.Field) -> Callable[[Any], Any]:
        if pa.types.is_list(field.type):
            return _as_texts
        return _as_text if self._declared is not None else _as_single_text

    def _infer(self, file: Path) -> dict[str, ColumnType]:
        with self._objects(file) as objects:
            return infer_types(value for _, value in islice(objects, ROWS_OF_TYPES))

    @contextmanager
    def _objects(self, file: Path) -> Iterator[Iterator[tuple[int, dict[str, Any]]]]:
        with open_utf8(file, self._encoding) as stream:
            yield read_objects(file, stream, self._syntax)


def read_objects(
    file: Path, stream: io.BufferedReader, syntax: Syntax
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a stream of lines with the number of their line, from 1.

    Args:
        file: the file, for messages.
        stream: the lines, in UTF-8; blank ones are skipped.
        syntax: notation of a line.

    Raises:
        DatasetError: a line holds no object.
    """
    parse = _parse_json if syntax == "json" else ast.literal_eval
    text = io.TextIOWrapper(stream, "utf-8", newline="\n")
    number = 0
    while line := text.readline(_LINE_CHARACTERS):
        number += 1
        line = line.strip()
        if not line:
            continue
        try:
            value = parse(line)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise DatasetError(_message(file, number, line, str(error))) from error
        if not isinstance(value, dict):
            raise DatasetError(_message(file, number, line, "it is no object"))
        yield number, value


def infer_types(objects: Iterator[dict[str, Any]]) -> dict[str, ColumnType]:
    """Return the type of each key: `list` if one value is a list of plain values."""
    types: dict[str, ColumnType] = {}
    for value in objects:
        for name, found in value.items():
            is_list = isinstance(found, list) and not _holds_objects(found)
            if is_list or name not in types:
                types[name] = "list" if is_list else "text"
    return types


def _parse_json(line: str) -> Any:
    return json.loads(line, parse_constant=lambda name: None)


def _message(file: Path, number: int, line: str, error: str) -> str:
    if number == 1 and line.startswith("["):
        return (
            f"{file} is one JSON array; write one object per line: "
            f"jq -c '.[]' {file} > {file.with_suffix('.jsonl').name}"
        )
    if number == 1 and line == "{":
        return (
            f"{file} holds objects of several lines; write one object per line: "
            f"jq -c . {file} > {file.with_suffix('.jsonl').name}"
        )
    if line.startswith("{'"):
        error = "it is a Python dictionary; set syntax: python in its catalog entry"
    return (
        f"{file} can't be read: line {number:,} is not a JSON object "
        f"({error}): {shorten(line, _SHOWN)!r}"
    )


def _as_row(
    file: Path,
    line: int,
    value: dict[str, Any],
    convert: Mapping[str, Callable[[Any], Any]],
) -> list[Any]:
    """Return the values of an object's keys, null for one that it lacks."""
    row = []
    for name, as_value in convert.items():
        try:
            row.append(as_value(_find(value, name)))
        except ValueError as error:
            raise DatasetError(
                f"{file} can't be read: {name} in line {line:,} is {error}; correct "
                f"the line, or set columns: {{{name}: <text or list>, …}} in its "
                "catalog entry"
            ) from error
    return row


def _find(value: dict[str, Any], name: str) -> Any:
    """Return the value of a key, or of a path of keys with dots."""
    if name in value or "." not in name:
        return value.get(name)
    first, _, rest = name.partition(".")
    inner = value.get(first)
    return _find(inner, rest) if isinstance(inner, dict) else None


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _as_single_text(value: Any) -> str | None:
    if isinstance(value, list) and value and not _holds_objects(value):
        raise ValueError(f"a list, but a text in the first {ROWS_OF_TYPES:,} lines")
    return _as_text(value)


def _as_texts(value: Any) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, list) and any(isinstance(inner, list) for inner in value):
        return list(dict.fromkeys(_leaves(value)))
    return list(_leaves(value))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        raise ValueError("an object, but the column holds lists of texts")
    if isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif (text := _as_text(value)) is not None:
        yield text


def _holds_objects(values: list[Any]) -> bool:
    return any(
        isinstance(value, dict) or (isinstance(value, list) and _holds_objects(value))
        for value in values
    )


def _require_options(columns: Mapping[str, str] | None, syntax: str) -> None:
    if syntax not in ("json", "python"):
        raise DatasetError(f"syntax is {syntax!r}; allowed are json, python")
    if columns is None:
        return
    wrong = [
        name
        for name, kind in (columns.items() if isinstance(columns, Mapping) else [])
        if kind not in _ARROW
    ]
    if wrong or not isinstance(columns, Mapping) or not columns:
        raise DatasetError(
            f"columns is {columns!r}; give each key its type, text or list: "
            "{ asin: text, categories: list }"
        )
