"""Validators that the catalog runs before a table is saved."""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

ANY: Final = "any"


class HasColumns:
    """Refuse a table whose columns or types are not those the catalog declares.

    Only the schema is looked at: nothing is executed.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        """Declare the table.

        Args:
            columns: by name, in order, the Ibis type, or `any` where it depends on the
                data (ids are int64 or string; declared features are free).
        """
        self._columns = dict(columns)

    def validate(self, data: ir.Table) -> ir.Table:
        """Return the table as it is.

        Raises:
            ValueError: a column is missing, new or of another type.
        """
        found = {name: str(dtype) for name, dtype in data.schema().items()}
        expected = {
            name: found.get(name, ANY) if dtype == ANY else dtype
            for name, dtype in self._columns.items()
        }
        if found != expected:
            raise ValueError(f"the columns are {found}, but {expected} are declared")
        return data
