"""Kedro dataset of a Keras model of this project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError

from two_tower.atomic import replace_file

if TYPE_CHECKING:
    import keras


class KerasModelDataset(AbstractDataset["keras.Model", "keras.Model"]):
    """Dataset of a model as a `.keras` file, replaced in one step.

    A load registers the towers' classes and needs only the file. Keras is imported by
    `load` alone, so the catalog opens without it.

    Example:
        ```yaml
        two_tower_model:
          type: two_tower.datasets.keras_model.KerasModelDataset
          filepath: ${globals:data}/06_models/${globals:dataset}/two_tower.keras
        ```
    """

    def __init__(
        self, *, filepath: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Store the path; nothing is opened.

        Args:
            filepath: a local file that ends in `.keras`.
            metadata: for Kedro plugins; not read here.
        """
        if not filepath.endswith(".keras"):
            raise DatasetError(
                f"filepath {filepath!r} must end in .keras, Keras' own format"
            )
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> keras.Model:
        import keras

        from two_tower.towers.registry import register_towers

        register_towers()
        return keras.saving.load_model(self._path, compile=False)

    def save(self, data: keras.Model) -> None:
        with replace_file(self._path) as new:
            data.save(new)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}
