"""Dataset of an empty table, for a table that a source lacks."""

from typing import Any

import ibis
import ibis.expr.types as ir
from kedro.io import AbstractDataset, DatasetError


class AbsentTableDataset(AbstractDataset[ir.Table, ir.Table]):
    """Load an empty table of the given columns; it has no file.

    Example:
        ```yaml
        raw_users:
          type: two_tower.datasets.absent_table.AbsentTableDataset
          columns: { user_id: string }
        ```
    """

    def __init__(
        self, *, columns: dict[str, str], metadata: dict[str, Any] | None = None
    ) -> None:
        """Configure the dataset.

        Args:
            columns: name → Ibis type, with the id column at least.
            metadata: for Kedro plugins; not read here.
        """
        self._columns = columns
        self.metadata = metadata

    def load(self) -> ir.Table:
        schema = ibis.schema(self._columns)
        return ibis.memtable(schema.to_pyarrow().empty_table(), schema=schema)

    def save(self, data: ir.Table) -> None:
        raise DatasetError("a table that is declared absent can't be saved")

    def fingerprint(self) -> str:
        """Return the columns, since there is no content to fingerprint."""
        return str(self._columns)

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"columns": self._columns}
