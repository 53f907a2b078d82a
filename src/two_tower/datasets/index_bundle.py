"""Kedro dataset of an index bundle."""

import json
from pathlib import Path
from typing import Any, Final

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from two_tower.atomic import has_version, replace_folder
from two_tower.datasets.checked import find_intact_version, find_version
from two_tower.hashes import file_sha256
from two_tower.index.bundle import IndexBundle
from two_tower.index.bundle_files import (
    ABOUT,
    REBUILD,
    list_hashes,
    read_about,
    read_bundle,
    write_bundle,
)

PREVIEWED: Final = (
    "backend",
    "metric",
    "n_items",
    "dimension",
    "parameters",
    "recall",
    "library",
)


class IndexBundleDataset(AbstractDataset[IndexBundle, IndexBundle]):
    """Dataset of an `IndexBundle` in a folder, which loads whole or not at all.

    A save writes a new version folder, loads it as a check, and then points to it (see
    `atomic`); a save that fails leaves the old bundle in place.

    Example:
        ```yaml
        item_index:
          type: two_tower.datasets.index_bundle.IndexBundleDataset
          filepath: ${globals:data}/06_models/${globals:dataset}/item_index
        ```
    """

    def __init__(
        self, *, filepath: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Store the path; nothing is opened.

        Args:
            filepath: a local folder, created by the first save.
            metadata: for Kedro plugins; not read here.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> IndexBundle:
        folder = find_intact_version(self._filepath, REBUILD, list_hashes)
        try:
            return read_bundle(folder)
        except ValueError as error:
            raise DatasetError(str(error)) from error

    def save(self, data: IndexBundle) -> None:
        try:
            with replace_folder(self._filepath) as folder:
                write_bundle(data, folder)
                read_bundle(folder)
        except ValueError as error:
            raise DatasetError(str(error)) from error

    def fingerprint(self) -> str:
        """Return the SHA-256 of the description, which has those of all files."""
        return file_sha256(self._version_folder() / ABOUT)

    def preview(self) -> JSONPreview:
        """Return the description of the bundle, without opening the index."""
        about = read_about(self._version_folder())
        return JSONPreview(json.dumps({name: about[name] for name in PREVIEWED}))

    def _version_folder(self) -> Path:
        return find_version(self._filepath, REBUILD)

    def _exists(self) -> bool:
        return has_version(self._filepath)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
