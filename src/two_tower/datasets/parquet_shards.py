"""Dataset of a table in Parquet shards of fixed row ranges, with a manifest."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from glob import escape
from itertools import chain, cycle
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeAlias

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.ibis import FileDataset

from two_tower.atomic import has_version, replace_folder
from two_tower.chunking import cut_tables
from two_tower.datasets.checked import find_intact_version, find_version, recovery
from two_tower.hashes import file_sha256

Rows: TypeAlias = ir.Table | pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch]

MANIFEST: Final = "_manifest.json"
MANIFEST_KEYS: Final = {"rows", "rows_per_shard", "schema", "shards"}
ROWS_PER_SHARD: Final = 1 << 20
ROWS_PER_GROUP: Final = 1 << 15
"""Rows in memory at a time. DuckDB's threads read different row groups."""
PREVIEWED_LIST_ITEMS: Final = 8


class ParquetShardsDataset(FileDataset):
    """Load an Ibis table from Parquet shards; save a table or a stream of batches.

    Shard `i` holds the rows from `i · rows_per_shard` on, in the order of the input,
    whatever its batches. Equal rows give equal bytes with one version of PyArrow. The
    node is responsible for the order of rows, which must end in a unique column.

    A save writes a new version folder, reads it back to compare it with the manifest,
    and makes it the current version last (see `atomic`). A failed save leaves the old
    table in place. A load refuses a table with a changed, missing or additional file.

    Example:
        ```yaml
        histories:
          type: two_tower.datasets.parquet_shards.ParquetShardsDataset
          filepath: ${globals:data}/04_feature/${globals:dataset}/histories
          connection: ${globals:connections.${runtime_params:engine,duckdb}}
        ```
    """

    def __init__(
        self,
        *,
        filepath: str,
        connection: dict[str, Any] | None = None,
        rows_per_shard: int = ROWS_PER_SHARD,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local folder; it is made by the first save.
            connection: Ibis backend of the loaded table: its `backend`, and arguments
                of `connect`. The default is DuckDB in memory.
            rows_per_shard: rows of each shard except the last, above 0.
            metadata: for Kedro plugins; not read here.

        Raises:
            DatasetError: `filepath` is not local, or `rows_per_shard` is below 1.
        """
        super().__init__(filepath=filepath, connection=connection, metadata=metadata)
        if self._fs_prefix:
            raise DatasetError(
                f"filepath {filepath!r} is not local; Parquet shards are replaced by "
                "renaming folders. Give a local folder, or use ibis.FileDataset."
            )
        if rows_per_shard < 1:
            raise DatasetError(
                f"rows_per_shard is {rows_per_shard}; allowed is 1 and above"
            )
        self._rows_per_shard = rows_per_shard

    def load(self) -> ir.Table:
        folder = find_intact_version(
            Path(self._filepath), self._recovery(), _list_hashes
        )
        # Read by pattern, since not every backend accepts a list of files.
        return self.connection.read_parquet(f"{escape(str(folder))}/*.parquet")

    def save(self, data: Rows) -> None:
        schema, batches = _as_batches(data)
        with replace_folder(Path(self._filepath)) as folder:
            shards = _write_shards(folder, schema, batches, self._rows_per_shard)
            manifest = {
                "rows": sum(shard["rows"] for shard in shards),
                "rows_per_shard": self._rows_per_shard,
                "schema": {field.name: str(field.type) for field in schema},
                "shards": shards,
            }
            _validate_shards(folder, schema, shards)
            text = json.dumps(manifest, indent=2) + "\n"
            (folder / MANIFEST).write_text(text, encoding="utf-8")

    def manifest(self) -> dict[str, Any]:
        """Return `rows`, `rows_per_shard`, `schema`, and each shard's file and hash.

        Raises:
            DatasetError: nothing was saved yet, or the manifest is damaged.
        """
        path = self._version_folder() / MANIFEST
        try:
            manifest = json.loads(path.read_bytes())
            if not manifest.keys() >= MANIFEST_KEYS:
                raise ValueError(f"it lacks {MANIFEST_KEYS - manifest.keys()}")
        except (OSError, ValueError, AttributeError) as error:
            raise DatasetError(
                f"{path} can't be read ({error}); {self._recovery()}"
            ) from error
        return dict(manifest)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the manifest, which covers the schema and all rows."""
        return file_sha256(self._version_folder() / MANIFEST)

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first `nrows` rows for Kedro-Viz, with long lists shortened."""
        folder, manifest = self._version_folder(), self.manifest()
        columns = list(manifest["schema"])
        shards = (folder / shard["file"] for shard in manifest["shards"])
        rows = list(_first_rows(shards, nrows))
        return TablePreview(
            {
                "index": list(range(len(rows))),
                "columns": columns,
                "data": [[_shortened(row[name]) for name in columns] for row in rows],
            }
        )

    def _version_folder(self) -> Path:
        return find_version(Path(self._filepath), self._recovery())

    def _recovery(self) -> str:
        return recovery(Path(self._filepath), self.metadata)

    def _exists(self) -> bool:
        return has_version(Path(self._filepath))

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": str(self._filepath),
            "backend": self._connection_config["backend"],
            "rows_per_shard": self._rows_per_shard,
        }


def _as_batches(data: Rows) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema, with all columns nullable, and the batches of the rows."""
    if isinstance(data, ir.Table):
        data = data.to_pyarrow_batches(chunk_size=ROWS_PER_GROUP)
    if isinstance(data, pa.Table):
        data = data.to_reader()
    if isinstance(data, pa.RecordBatchReader):
        schema, batches = data.schema, iter(data)
    else:
        batches = iter(data)
        first = next(batches, None)
        if first is None:
            raise DatasetError(
                "an iterator without a batch has no schema; for a table without rows "
                "give a RecordBatchReader or one empty batch"
            )
        schema, batches = first.schema, chain([first], batches)
    # Engines differ in which columns they declare as not null, so bytes would differ.
    return pa.schema([pa.field(old.name, old.type) for old in schema]), batches


def _write_shards(
    folder: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    rows_per_shard: int,
) -> list[dict[str, Any]]:
    """Write the rows; return `file`, `rows`, `bytes` and `sha256` of each shard."""
    whole, rest = divmod(rows_per_shard, ROWS_PER_GROUP)
    groups = [ROWS_PER_GROUP] * whole + [rest] * bool(rest)
    shards: list[dict[str, Any]] = []
    with ExitStack() as open_file:
        for i, group in enumerate(cut_tables(batches, schema, cycle(groups))):
            if i % len(groups) == 0:
                open_file.close()
                shards.append({"file": f"{len(shards):05d}.parquet", "rows": 0})
                path = folder / shards[-1]["file"]
                writer = pq.ParquetWriter(path, schema, compression="zstd")
                open_file.enter_context(writer)
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)
            shards[-1]["rows"] += group.num_rows
    for shard in shards:
        path = folder / shard["file"]
        shard |= {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    return shards


def _validate_shards(
    folder: Path, schema: pa.Schema, shards: list[dict[str, Any]]
) -> None:
    """Refuse shards whose rows or schema differ from what was written.

    Raises:
        DatasetError: a shard differs.
    """
    for shard in shards:
        with pq.ParquetFile(folder / shard["file"]) as file:
            found = file.metadata.num_rows, file.schema_arrow
        if found != (shard["rows"], schema):
            raise DatasetError(
                f"shard {shard['file']} reads back as {found[0]} rows of {found[1]}; "
                f"{shard['rows']} rows of {schema} were written. The old table stays."
            )


def _list_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each shard as saved, and of the manifest as it is."""
    shards = json.loads((folder / MANIFEST).read_bytes())["shards"]
    return {
        MANIFEST: file_sha256(folder / MANIFEST),
        **{shard["file"]: shard["sha256"] for shard in shards},
    }


def _first_rows(shards: Iterable[Path], n_rows: int) -> Iterator[dict[str, Any]]:
    for path in shards:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=max(n_rows, 1)):
                rows = batch.slice(0, n_rows).to_pylist()
                yield from rows
                n_rows -= len(rows)
                if n_rows <= 0:
                    return


def _shortened(value: Any) -> Any:
    """Return a value as JSON, and a list as its first items and its length."""
    if isinstance(value, list):
        shown = ", ".join(str(item) for item in value[:PREVIEWED_LIST_ITEMS])
        more = f", … ({len(value)} in all)" if len(value) > PREVIEWED_LIST_ITEMS else ""
        return f"[{shown}{more}]"
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return value if value is None or isinstance(value, int) else str(value)
