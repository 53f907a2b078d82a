import errno
import gc
from pathlib import Path
from tempfile import gettempdir

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from two_tower.atomic import SaveError
from two_tower.datasets.arrow_batches import bind_batches, preview_batches

SCHEMA = pa.schema({"id": pa.int64(), "tags": pa.list_(pa.string())})


def batches(n_batches):
    for i in range(n_batches):
        rows = [{"id": 2 * i + j, "tags": ["a"] * j} for j in range(2)]
        yield pa.RecordBatch.from_pylist(rows, SCHEMA)


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def n_files():
    return len(list(Path(gettempdir()).iterdir()))


def test_batches_become_a_table_of_their_rows_in_order():
    table, n_rows = bind_batches(ibis.duckdb.connect(), SCHEMA, batches(3))
    assert n_rows == 6
    assert table.id.to_pyarrow().to_pylist() == [0, 1, 2, 3, 4, 5]
    assert table.schema() == ibis.schema({"id": "int64", "tags": "array<string>"})


def test_no_batch_becomes_a_table_without_rows():
    table, n_rows = bind_batches(ibis.duckdb.connect(), SCHEMA, [])
    assert n_rows == 0
    assert table.columns == ("id", "tags")


def test_the_file_is_removed_with_the_last_expression():
    table, _ = bind_batches(ibis.duckdb.connect(), SCHEMA, batches(1))
    count = table.count()
    del table
    gc.collect()
    assert n_files() == 1
    assert count.execute() == 2
    del count
    gc.collect()
    assert n_files() == 0


def test_a_failing_batch_removes_the_file():
    def failing():
        yield from batches(1)
        raise ValueError("malformed line")

    with pytest.raises(ValueError, match="malformed line"):
        bind_batches(ibis.duckdb.connect(), SCHEMA, failing())
    assert n_files() == 0


def test_a_preview_holds_the_first_rows_and_joins_lists():
    def few_batches():
        yield from batches(2)
        raise AssertionError("more was read")

    assert preview_batches(SCHEMA, few_batches(), nrows=3) == {
        "index": [0, 1, 2],
        "columns": ["id", "tags"],
        "data": [[0, ""], [1, "a"], [2, ""]],
    }


def test_the_file_of_a_killed_process_is_removed_by_the_next_call(tmp_path):
    abandoned = tmp_path / ".two-tower-scratch-x"
    abandoned.mkdir()
    (abandoned / "table.parquet").touch()
    table, _ = bind_batches(ibis.duckdb.connect(), SCHEMA, batches(1))
    assert not abandoned.exists()
    assert table.count().execute() == 2


# covers: X34
def test_a_full_temporary_folder_is_named(monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "Error writing bytes to file")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", fail)
    with pytest.raises(
        SaveError,
        match=r"table\.parquet was not saved: No space left on device; free space on",
    ):
        bind_batches(ibis.duckdb.connect(), SCHEMA, batches(1))
    assert n_files() == 0
