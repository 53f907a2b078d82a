"""Kedro dataset of the vocabularies of the deployed query tower, without its model."""

from pathlib import Path
from typing import Any, NoReturn

import ibis
from kedro.io import AbstractDataset, DatasetError

from two_tower.atomic import has_version
from two_tower.datasets.query_tower import (
    intact_folder,
    read_about,
    read_vocabulary,
    version_folder,
)
from two_tower.sequences.vocabularies import DeployedVocabularies
from two_tower.serving.vocabularies import COLUMNS


class DeployedVocabulariesDataset(AbstractDataset[NoReturn, DeployedVocabularies]):
    """Read-only dataset of a saved query tower's vocabularies.

    A load reads them whole, so the query tower may be replaced while they are in use.

    Example:
        ```yaml
        deployed_vocabularies:
          type: two_tower.datasets.deployed_vocabularies.DeployedVocabulariesDataset
          filepath: ${globals:data}/06_models/${globals:dataset}/query_tower
        ```
    """

    def __init__(
        self, *, filepath: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Store the path; nothing is opened.

        Args:
            filepath: the folder of a query tower.
            metadata: for Kedro plugins; not read here.
        """
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> DeployedVocabularies:
        folder = intact_folder(self._folder)
        about = read_about(folder)
        if "rules" not in about["origin"]:
            raise DatasetError(
                f"{folder} was saved without the parameters that selected and split "
                "its data; train a new model: kedro run"
            )
        return DeployedVocabularies(
            **{name: ibis.memtable(read_vocabulary(folder, name)) for name in COLUMNS},
            schema=about["schema"],
            rules=about["origin"]["rules"],
        )

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._folder} is saved as a whole query tower")

    def fingerprint(self) -> str:
        """Return the name of the current version, a digest of its files."""
        return version_folder(self._folder).name

    def _exists(self) -> bool:
        return has_version(self._folder)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
