"""What the deployed query tower knows, read without its model."""

from pathlib import Path
from typing import Any, NoReturn

import ibis
import ibis.expr.types as ir
from kedro.io import AbstractDataset, DatasetError

from two_tower.atomic import current_version
from two_tower.datasets.query_tower import (
    intact_folder,
    read_about,
    read_vocabulary,
    version_folder,
)
from two_tower.serving.vocabularies import COLUMNS
from two_tower.types import JsonObject

SCHEMA = "schema"
RULES = "rules"


class DeployedVocabularyDataset(AbstractDataset[NoReturn, ir.Table | JsonObject]):
    """Load one part of the vocabularies that a saved query tower holds.

    It is read whole, so that the query tower may be replaced while the table is used.

    Example:
        ```yaml
        deployed_item_vocabulary:
          type: two_tower.datasets.deployed_vocabulary.DeployedVocabularyDataset
          filepath: ${globals:data}/06_models/${globals:dataset}/query_tower
          part: items
        ```
    """

    def __init__(
        self, *, filepath: str, part: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Describe which part is read; nothing is opened.

        Args:
            filepath: the folder of a query tower.
            part: `items`, `users` or `values` for a table, `schema` for the JSON of
                the features' kinds and sizes, `rules` for that of how the data were
                selected and split.
            metadata: for Kedro plugins; not read here.

        Raises:
            DatasetError: there is no such part.
        """
        parts = [*COLUMNS, SCHEMA, RULES]
        if part not in parts:
            raise DatasetError(f"part {part!r} is none of {', '.join(parts)}")
        self._folder = Path(filepath)
        self._part = part
        self.metadata = metadata

    def load(self) -> ir.Table | JsonObject:
        folder = intact_folder(self._folder)
        if self._part == SCHEMA:
            return dict(read_about(folder)[SCHEMA])
        if self._part == RULES:
            return _read_rules(folder)
        return ibis.memtable(read_vocabulary(folder, self._part))

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._folder} is saved as a query tower, not in parts")

    def fingerprint(self) -> str:
        """Return the name of the version in force, which is a digest of its files."""
        return version_folder(self._folder).name

    def _exists(self) -> bool:
        return current_version(self._folder) is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder), "part": self._part}


def _read_rules(folder: Path) -> JsonObject:
    origin = read_about(folder)["origin"]
    if RULES not in origin:
        raise DatasetError(
            f"{folder} doesn't say how its data were selected and split; "
            "train anew with kedro run"
        )
    return dict(origin[RULES])
