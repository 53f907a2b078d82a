"""Kedro dataset of a vocabulary of the deployed query tower, without its model."""

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
    """Read-only dataset of one part of a saved query tower's vocabularies.

    A load reads the whole part, so the query tower may be replaced while it is in use.

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
        """Store path and part; nothing is opened.

        Args:
            filepath: the folder of a query tower.
            part: `items`, `users` or `values`: a table; `schema`: JSON of the features'
                kinds and sizes; `rules`: JSON of the parameters that selected and split
                the data.
            metadata: for Kedro plugins; not read here.

        Raises:
            DatasetError: if there is no such part.
        """
        parts = [*COLUMNS, SCHEMA, RULES]
        if part not in parts:
            raise DatasetError(f"part is {part!r}; choose one of {', '.join(parts)}")
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
        raise DatasetError(
            f"{self._folder} is saved as a whole query tower, not in parts"
        )

    def fingerprint(self) -> str:
        """Return the name of the current version, a digest of its files."""
        return version_folder(self._folder).name

    def _exists(self) -> bool:
        return current_version(self._folder) is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder), "part": self._part}


def _read_rules(folder: Path) -> JsonObject:
    origin = read_about(folder)["origin"]
    if RULES not in origin:
        raise DatasetError(
            f"{folder} was saved without the parameters that selected and split its "
            "data; train a new model: kedro run"
        )
    return dict(origin[RULES])
