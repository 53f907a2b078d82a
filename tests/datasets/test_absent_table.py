import ibis
import pytest
from kedro.io import DatasetError

from two_tower.datasets.absent_table import AbsentTableDataset


def test_the_table_has_the_declared_columns_and_no_rows():
    columns = {"user_id": "string", "age": "int64", "tags": "array<string>"}
    table = AbsentTableDataset(columns=columns).load()
    assert table.schema() == ibis.schema(columns)
    assert table.count().execute() == 0


def test_it_can_be_joined_with_tables_of_another_connection(tmp_path):
    path = tmp_path / "a.parquet"
    ibis.memtable({"user_id": ["a"]}).to_parquet(path)
    users = ibis.duckdb.connect().read_parquet(path)
    absent = AbsentTableDataset(columns={"user_id": "string"}).load()
    assert users.anti_join(absent, "user_id").count().execute() == 1


def test_its_fingerprint_depends_on_its_columns():
    one, other = (
        AbsentTableDataset(columns={"a": kind}) for kind in ("string", "int64")
    )
    assert one.fingerprint() != other.fingerprint()
    assert one.exists()


def test_it_is_read_only():
    dataset = AbsentTableDataset(columns={"a": "string"})
    with pytest.raises(DatasetError, match="declared absent"):
        dataset.save(dataset.load())
