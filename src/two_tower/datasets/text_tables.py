"""Tables of text, bound to an engine by way of a Parquet file that goes by itself."""

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
    """Write batches to a Parquet file and return it as a table, in the same order.

    The file lies in the system's folder for temporary files (`TMPDIR`). It goes when no
    expression made from the table is left, with the process, or when a batch fails.

    Args:
        connection: the Ibis backend that the table is bound to.
        schema: of the batches.
        batches: the rows; one batch is in memory at a time.

    Returns:
        The table, and the number of its rows.
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
    # Every expression made from the table holds on to its operation.
    weakref.finalize(table.op(), scratch.cleanup)
    return table, pq.read_metadata(file).num_rows


def preview_batches(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], nrows: int
) -> TablePreview:
    """Return the first rows of batches for Kedro-Viz; no more of them are read."""
    rows = list(islice((row for batch in batches for row in batch.to_pylist()), nrows))
    return TablePreview(
        {
            "index": list(range(len(rows))),
            "columns": schema.names,
            "data": [[_shown(value) for value in row.values()] for row in rows],
        }
    )


def _shown(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
