"""Kedro dataset of a Keras model of this project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError

from two_tower.atomic import replace_checked_file
from two_tower.datasets.checked import checked_file, recovery
from two_tower.scratch import library_files_in

if TYPE_CHECKING:
    import keras


class KerasModelDataset(AbstractDataset["keras.Model", "keras.Model"]):
    """Dataset of a model as a `.keras` file, replaced in one step.

    A load checks the hash that is kept beside the file (see `hashes`), and registers
    the towers' classes. Keras is imported by `load` alone, so the catalog opens without
    it.

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
        with checked_file(self._path, recovery(self._path, self.metadata)):
            return read_model(self._path)

    def save(self, data: keras.Model) -> None:
        with replace_checked_file(self._path) as new:
            write_model(data, new, new.parent)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


def read_model(path: Path) -> keras.Model:
    """Return the model of a `.keras` file, which the caller has checked."""
    import keras

    from two_tower.towers.registry import register_towers

    register_towers()
    return keras.saving.load_model(path, compile=False)


def write_model(model: keras.Model, path: Path, scratch: Path) -> None:
    """Write a model as a `.keras` file.

    Args:
        model: a built model.
        path: a new file.
        scratch: folder for the files that Keras needs meanwhile.
    """
    with library_files_in(scratch):
        model.save(path)
