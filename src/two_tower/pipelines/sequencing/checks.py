"""Validator that the catalog runs before a table of sequencing is saved."""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

ANY: Final = "any"


class HasColumns:
    """Refuses a table with other columns or types than the catalog declares.

    It reads the schema alone; nothing is executed.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        """Declare the table.

        Args:
            columns: name → Ibis type, or `any` if it depends on the data, as for ids
                (int64 or string).
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
            raise ValueError(
                f"the columns are {found}, but {expected} are declared in the catalog; "
                "change the declaration or the node that returns the table"
            )
        return data
