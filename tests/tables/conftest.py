import ibis
import pyarrow as pa
import pytest


@pytest.fixture
def column():
    """Return a function that gives a column `it` of some values and a type."""

    def make(*values, of=None):
        table = pa.table({"it": pa.array(values, of)})
        return ibis.memtable(table).it

    return make


@pytest.fixture
def values():
    """Return a function that computes a column's values, or those that do not fit."""
    return lambda column: column.to_pyarrow().to_pylist()
