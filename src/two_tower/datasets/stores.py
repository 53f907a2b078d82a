"""Datasets that load a store: training checkpoints, lineage records."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from two_tower.lineage.records import LineageStore
from two_tower.training.checkpoints import CheckpointStore


class TrainingCheckpointsDataset(AbstractDataset[NoReturn, CheckpointStore]):
    """Load the `CheckpointStore` of a folder; training itself writes to it.

    A node can't have one dataset as both input and output, so this dataset is an input
    that loads a store.
    """

    def __init__(
        self, *, filepath: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local folder; training creates it.
            metadata: for Kedro plugins and the project's hooks; not read here.
        """
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> CheckpointStore:
        return CheckpointStore(self._folder)

    def save(self, data: NoReturn) -> None:
        raise DatasetError("checkpoints are written during training, not by a node")

    def _exists(self) -> bool:
        return self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}


class LineageStoreDataset(AbstractDataset[NoReturn, LineageStore]):
    """Load the `LineageStore` of a folder; the project's hooks write to it."""

    def __init__(
        self, *, filepath: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local folder; the hooks create it.
            metadata: for Kedro plugins and the project's hooks; not read here.
        """
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> LineageStore:
        return LineageStore(self._folder)

    def save(self, data: NoReturn) -> None:
        raise DatasetError("lineage is written by the project's hooks, not by a node")

    def _exists(self) -> bool:
        return self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
