"""Entries of the catalog that are refused before anything is loaded."""

import ibis
import pytest
from kedro.io import DataCatalog, DatasetError

from two_tower.catalog_entries import check_entries, require_connection

JSON = {"type": "json.JSONDataset", "filepath": "a.json"}
SHARDS = {
    "type": "two_tower.datasets.parquet_shards.ParquetShardsDataset",
    "filepath": "items",
    "connection": {"backend": "duckdb", "database": ":memory:"},
}


def check(**entries):
    catalog = DataCatalog.from_config(entries)
    check_entries([*entries, "in_memory"], catalog)


def test_entries_of_known_keys_are_accepted():
    check(
        report=JSON | {"versioned": True, "metadata": {"kedro-viz": {}}},
        items=SHARDS | {"validator": {"class": "a.B"}},
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            JSON | {"filepth": "b"},
            "the catalog's items gives filepth, which JSONDataset does not take; did "
            "you mean filepath?",
        ),
        (SHARDS | {"conection": {}}, "does not take; did you mean connection?"),
        (
            SHARDS | {"connection": {"backend": "duckdb", "databse": ":memory:"}},
            r"connection of items can't be opened by duckdb \(Invalid Input Error: .*"
            r"databse\); change it in connections of globals.yml",
        ),
        (
            SHARDS | {"connection": {"backend": "duckdb", "database": "/no/such/a.db"}},
            r"connection of items can't be opened by duckdb",
        ),
        (
            SHARDS | {"connection": {"backend": "connect"}},
            "items has the backend 'connect', which Ibis does not know; set it in",
        ),
        (SHARDS | {"connection": {}}, "items has the backend None, which Ibis does"),
    ],
)
def test_other_keys_and_connections_are_refused(entry, message):
    with pytest.raises(ValueError, match=message):
        check(items=entry)


def test_a_type_that_does_not_exist_is_refused():
    with pytest.raises(DatasetError, match="'JSONDatset' not found in 'json'"):
        check(items=JSON | {"type": "json.JSONDatset"})


def test_a_backend_that_is_not_installed_is_refused(monkeypatch):
    def load(_: str) -> None:
        raise ImportError

    monkeypatch.setattr(ibis, "__getattr__", load)
    with pytest.raises(ValueError, match=r"pip install 'ibis-framework\[exasol\]'"):
        require_connection({"backend": "exasol"}, "raw_items")
