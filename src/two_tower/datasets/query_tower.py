"""Kedro dataset of a query tower in one folder.

The folder holds `about.json` (settings and origin), `towers.keras` (the towers without
an optimiser), the vocabularies `items.parquet`, `users.parquet` and `values.parquet`,
and `average_query.npy`.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from two_tower.atomic import has_version, replace_folder
from two_tower.datasets.checked import find_intact_version, find_version
from two_tower.features.registry import Features
from two_tower.index.base import METRIC
from two_tower.index.bundle_files import write_array
from two_tower.serving.query_tower import QueryTower
from two_tower.serving.vocabularies import COLUMNS, Vocabularies
from two_tower.types import FIRST_ID, JsonObject

from .keras_model import read_model, write_model

FORMAT: Final = 1
"""Version of the folder's format, raised when older code would misread a new folder."""

MODEL: Final = "towers.keras"
AVERAGE_QUERY: Final = "average_query.npy"
ABOUT: Final = "about.json"

_REBUILD: Final = (
    "run: kedro run --pipelines export, or, where items were added since the training: "
    "kedro run"
)


class QueryTowerDataset(AbstractDataset[QueryTower, QueryTower]):
    """Dataset of a `QueryTower` in a folder, which is saved and loaded whole.

    Example:
        ```yaml
        query_tower:
          type: two_tower.datasets.query_tower.QueryTowerDataset
          filepath: ${globals:data}/06_models/${globals:dataset}/query_tower
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
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> QueryTower:
        folder = intact_folder(self._folder)
        about = read_about(folder)
        tower = QueryTower(
            towers=read_model(folder / MODEL),
            vocabularies=read_vocabularies(folder),
            average_query=np.load(folder / AVERAGE_QUERY),
            largest_norm=about["largest_norm"],
            bucket_boundaries=about["edges"],
            tokens_per_batch=about["slots"],
            origin=about["origin"],
        )
        _require_sizes(tower, folder)
        return tower

    def save(self, data: QueryTower) -> None:
        with replace_folder(self._folder) as folder:
            write_model(data.towers, folder / MODEL, folder.parent)
            write_array(folder / AVERAGE_QUERY, data.average_query)
            for name in COLUMNS:
                table = getattr(data.vocabularies, name)
                pq.write_table(table, folder / f"{name}.parquet")
            text = json.dumps(describe(data), indent=2)
            (folder / ABOUT).write_text(text + "\n", encoding="utf-8")

    def fingerprint(self) -> str:
        """Return the name of the current version, a digest of its files."""
        return version_folder(self._folder).name

    def preview(self) -> JSONPreview:
        """Return the description of the tower, without opening it."""
        about = read_about(version_folder(self._folder))
        return JSONPreview(json.dumps({**about, "schema": None, "declared": None}))

    def _exists(self) -> bool:
        return has_version(self._folder)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}


def describe(tower: QueryTower) -> JsonObject:
    """Return the description of a query tower that `about.json` keeps."""
    return {
        "format": FORMAT,
        "metric": METRIC,
        "dimension": tower.dimension,
        "n_vectors": tower.towers.n_vectors,
        "n_items": tower.vocabularies.items.num_rows,
        "n_users": tower.vocabularies.users.num_rows,
        "reserved_ids": FIRST_ID,
        "largest_norm": tower.largest_norm,
        "edges": list(tower.bucket_boundaries),
        "slots": tower.tokens_per_batch,
        "schema": tower.vocabularies.schema,
        "declared": tower.vocabularies.declared.model_dump(),
        "origin": tower.origin,
    }


def version_folder(folder: Path) -> Path:
    """Return the folder of the current version; its content is not checked.

    Raises:
        DatasetError: if nothing was saved yet, or the pointer is damaged.
    """
    return find_version(folder, _REBUILD)


def intact_folder(folder: Path) -> Path:
    """Return the folder of the current version after checking its files' hashes.

    Raises:
        DatasetError: if nothing was saved yet, or a file was changed.
    """
    return find_intact_version(folder, _REBUILD)


def read_about(folder: Path) -> JsonObject:
    """Return the description of the query tower in a version folder.

    Raises:
        DatasetError: if the folder has another format.
    """
    about = dict(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    if about.get("format") != FORMAT:
        raise DatasetError(
            f"{folder} is a query tower of format {about.get('format')}; this version "
            f"reads format {FORMAT}: {_REBUILD}"
        )
    return about


def read_vocabularies(folder: Path) -> Vocabularies:
    """Return the vocabularies of a version folder, without the model.

    Raises:
        DatasetError: if the folder has another format, or a vocabulary lacks a column
            or an index.
    """
    about = read_about(folder)
    tables = {name: read_vocabulary(folder, name) for name in COLUMNS}
    declared = Features.model_validate(about["declared"])
    try:
        return Vocabularies(**tables, schema=about["schema"], declared=declared)
    except ValueError as error:
        raise DatasetError(f"{folder}: {error}") from error


def read_vocabulary(folder: Path, name: str) -> pa.Table:
    """Return the items, users or values of a version folder."""
    return pq.read_table(folder / f"{name}.parquet")


def _require_sizes(tower: QueryTower, folder: Path) -> None:
    """Raise an error if the sizes of model and vocabularies differ."""
    # A history item tower, if any, has the size of the item tower.
    sizes = {"items": (tower.towers.item_tower, tower.vocabularies.items)}
    if tower.towers.profile is not None:
        sizes["users"] = (tower.towers.profile, tower.vocabularies.users)
    for name, (entities, table) in sizes.items():
        n_model = entities.n_entities - FIRST_ID
        if n_model != table.num_rows:
            raise DatasetError(
                f"{folder} has {table.num_rows} {name} for a model of {n_model}; "
                f"{_REBUILD}"
            )
