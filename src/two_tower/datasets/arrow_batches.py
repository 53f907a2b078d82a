"""Arrow batches as an Ibis table on a temporary Parquet file, or as a preview."""

import weakref
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from kedro_datasets._typing import TablePreview

from two_tower.atomic import name_failures
from two_tower.scratch import temporary_scratch


def bind_batches(
    connection: Any, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> tuple[ir.Table, int]:
    """Write batches to a temporary Parquet file and return it as an Ibis table.

    The file is in the system's temporary folder (`TMPDIR`). It is removed with the last
    expression on the table, at the end of the process, or when a batch fails; after a
    kill, by the next call (see `scratch`).

    Args:
        connection: Ibis backend of the table.
        schema: schema of the batches.
        batches: the rows; one batch is in memory at a time.

    Returns:
        The table, with rows in the order of the batches, and its number of rows.

    Raises:
        SaveError: the temporary folder is full, or not writable.
    """
    scratch = temporary_scratch()
    file = scratch.path / "table.parquet"
    try:
        _write(file, schema, batches)
        table = connection.read_parquet(str(file))
    except BaseException:
        scratch.remove()
        raise
    # Every expression on the table keeps a reference to its operation.
    weakref.finalize(table.op(), scratch.remove)
    return table, pq.read_metadata(file).num_rows


def _write(file: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    # Not around the loop: what fails in reading a batch is named by its reader.
    with name_failures(file):
        writer = pq.ParquetWriter(file, schema)
    try:
        for batch in batches:
            with name_failures(file):
                writer.write_batch(batch)
    finally:
        with name_failures(file):
            writer.close()


def preview_batches(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], nrows: int
) -> TablePreview:
    """Return the first `nrows` rows for Kedro-Viz; later batches are not read."""
    rows = list(islice((row for batch in batches for row in batch.to_pylist()), nrows))
    return TablePreview(
        {
            "index": list(range(len(rows))),
            "columns": schema.names,
            "data": [[_as_cell(value) for value in row.values()] for row in rows],
        }
    )


def _as_cell(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
