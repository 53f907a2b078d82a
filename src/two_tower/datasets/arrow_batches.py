"""Arrow batches as an Ibis table on a temporary Parquet file, or as a preview."""

import weakref
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from kedro_datasets._typing import TablePreview


def bind_batches(
    connection: Any, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> tuple[ir.Table, int]:
    """Write batches to a temporary Parquet file and return it as an Ibis table.

    The file is in the system's temporary folder (`TMPDIR`). It is removed with the last
    expression on the table, at the end of the process, or when a batch fails.

    Args:
        connection: Ibis backend of the table.
        schema: schema of the batches.
        batches: the rows; one batch is in memory at a time.

    Returns:
        The table, with rows in the order of the batches, and its number of rows.
    """
    scratch = TemporaryDirectory(prefix="two-tower-")
    file = Path(scratch.name, "table.parquet")
    try:
        with pq.ParquetWriter(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        table = connection.read_parquet(str(file))
    except BaseException:
        scratch.cleanup()
        raise
    # Every expression on the table keeps a reference to its operation.
    weakref.finalize(table.op(), scratch.cleanup)
    return table, pq.read_metadata(file).num_rows


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
