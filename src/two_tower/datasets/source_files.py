"""Base of the datasets of text files: one file, or all files of a pattern."""

import hashlib
import json
import logging
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.ibis import FileDataset

from two_tower.datasets.arrow_batches import bind_batches, preview_batches
from two_tower.datasets.source_bytes import python_encoding
from two_tower.lineage.records import fingerprint_files

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"(\d+)")


class SourceFilesDataset(FileDataset):
    """Load text files as one Ibis table; read-only.

    The rows are in the order of the files, and in a file in the order of its lines. One
    batch is in memory at a time. Files compressed by gzip, zstd, bzip2 or xz are
    decompressed, whatever their name. The fingerprint covers the content of all files
    and the options they are read with.

    A subclass reads one file, see `schema_of` and `read_batches`.
    """

    def __init__(
        self,
        *,
        filepath: str,
        encoding: str = "utf-8",
        connection: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local file, or a pattern of `glob` with `*`, `?`, `[…]` or `**`.
            encoding: one of Python's encodings.
            connection: Ibis backend of the loaded table: its `backend`, and arguments
                of `connect`. The default is DuckDB in memory.
            metadata: for Kedro plugins; not read here.

        Raises:
            DatasetError: Python has no such encoding.
        """
        super().__init__(filepath=filepath, connection=connection, metadata=metadata)
        self._encoding = python_encoding(encoding)
        self._loaded: list[tuple[Path, int]] | None = None

    @abstractmethod
    def schema_of(self, files: Sequence[Path]) -> pa.Schema:
        """Return the schema of all files; refuse files of different columns."""

    @abstractmethod
    def read_batches(self, file: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one file in order."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return the options that change what is read, of JSON's types."""

    def load(self) -> ir.Table:
        files = find_files(str(self._filepath))
        self._loaded = _states(files)
        schema = self.schema_of(files)
        batches = (batch for file in files for batch in self.read_batches(file, schema))
        table, n_rows = bind_batches(self.connection, schema, batches)
        logger.info("read %s rows of %s", f"{n_rows:,}", _describe_files(files))
        return table

    def save(self, data: ir.Table) -> None:
        raise DatasetError(f"{self._filepath} is read-only")

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows for Kedro-Viz; later files are not read."""
        files = find_files(str(self._filepath))
        schema = self.schema_of(files[:1])
        return preview_batches(schema, self.read_batches(files[0], schema), nrows)

    def fingerprint(self) -> str:
        """Return the fingerprint of the files' content and of the options.

        Raises:
            DatasetError: a file changed since the table was loaded.
        """
        files = find_files(str(self._filepath))
        content = fingerprint_files(str(self._filepath))
        if self._loaded is not None and self._loaded != _states(files):
            raise DatasetError(
                f"the files of {self._filepath} changed while they were read; run "
                "again when they are complete"
            )
        options = json.dumps(self._options(), sort_keys=True)
        return hashlib.sha256(f"{content} {options}".encode()).hexdigest()

    def _options(self) -> dict[str, Any]:
        return {"encoding": self._encoding, **self.options()}

    def _exists(self) -> bool:
        return bool(_matches(str(self._filepath)))

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": str(self._filepath),
            **self._options(),
            "backend": self._connection_config["backend"],
        }


def find_files(filepath: str) -> list[Path]:
    """Return the file, or all files of a pattern, in order of their names.

    Numbers in names are compared as numbers, so `part-2` comes before `part-10`.

    Args:
        filepath: a local file, or a pattern of `glob`. A file of that very name wins.

    Raises:
        DatasetError: there is no such file.
    """
    found = _matches(filepath)
    if found:
        return found
    if Path(filepath).is_dir():
        raise DatasetError(
            f"{filepath} is a folder; name its files by a pattern, such as "
            f"{filepath}/*.csv"
        )
    if _is_pattern(filepath):
        raise DatasetError(
            f"no file matches {filepath}; put the files there, or correct filepath in "
            "the catalog"
        )
    raise DatasetError(
        f"{filepath} is missing; put the file there, or correct filepath in the catalog"
    )


def _matches(filepath: str) -> list[Path]:
    if Path(filepath).is_file():
        return [Path(filepath)]
    files = (Path(match) for match in glob(filepath, recursive=True))  # noqa: PTH207 - `**`, absolute patterns
    return sorted((file for file in files if file.is_file()), key=_by_name)


def _is_pattern(filepath: str) -> bool:
    return any(mark in filepath for mark in "*?[")


def _by_name(file: Path) -> tuple[list[tuple[int, str]], str]:
    parts = _NUMBER.split(str(file))
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts], str(file)


def _states(files: Iterable[Path]) -> list[tuple[Path, int]]:
    return [(file, file.stat().st_mtime_ns) for file in files]


def _describe_files(files: Sequence[Path]) -> str:
    if len(files) == 1:
        return str(files[0])
    return f"{len(files)} files in order of their names, {files[0]} to {files[-1]}"
