"""The query tower with all that reading it needs, in one folder.

`about.json` holds in words what the tower says of itself; beside it lie `towers.keras`
(the weights without an optimiser), the vocabularies `items.parquet`, `users.parquet`
and `values.parquet`, and `average_query.npy`.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from two_tower.atomic import current_version, is_intact, replace_folder
from two_tower.features.registry import Features
from two_tower.index.base import METRIC
from two_tower.serving.query_tower import QueryTower
from two_tower.serving.vocabularies import COLUMNS, Vocabularies
from two_tower.types import FIRST_ID, JsonObject

from .keras_model import KerasModelDataset

FORMAT: Final = 1
"""Of the folder; raised when an older reader would misread a newer folder."""

MODEL: Final = "towers.keras"
AVERAGE: Final = "average_query.npy"
ABOUT: Final = "about.json"

_AGAIN: Final = (
    "run: kedro run --pipelines export; where items were added since the training, "
    "export is refused, so train anew: kedro run"
)


class QueryTowerDataset(AbstractDataset[QueryTower, QueryTower]):
    """Keep a `QueryTower` in a folder; no half is ever read.

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
        """Describe where the tower lies; nothing is opened.

        Args:
            filepath: a local folder; it is made by the first save.
            metadata: for Kedro plugins; not read here.
        """
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> QueryTower:
        folder = intact_folder(self._folder)
        about = read_about(folder)
        tower = QueryTower(
            towers=KerasModelDataset(filepath=str(folder / MODEL)).load(),
            vocabularies=read_vocabularies(folder),
            average_query=np.load(folder / AVERAGE),
            largest_norm=about["largest_norm"],
            edges=about["edges"],
            tokens_per_batch=about["slots"],
            origin=about["origin"],
        )
        _require_sizes(tower, folder)
        return tower

    def save(self, data: QueryTower) -> None:
        with replace_folder(self._folder) as folder:
            data.towers.save(folder / MODEL)
            np.save(folder / AVERAGE, data.average_query)
            for name in COLUMNS:
                table = getattr(data.vocabularies, name)
                pq.write_table(table, folder / f"{name}.parquet")
            text = json.dumps(describe(data), indent=2)
            (folder / ABOUT).write_text(text + "\n", encoding="utf-8")

    def fingerprint(self) -> str:
        """Return the name of the version in force, which is a digest of its files."""
        return version_folder(self._folder).name

    def preview(self) -> JSONPreview:
        """Return what the tower says of itself; it is not opened."""
        about = read_about(version_folder(self._folder))
        return JSONPreview(json.dumps({**about, "schema": None, "declared": None}))

    def _exists(self) -> bool:
        return current_version(self._folder) is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}


def describe(tower: QueryTower) -> JsonObject:
    """Return what a query tower says of itself, as JSON."""
    return {
        "format": FORMAT,
        "metric": METRIC,
        "dimension": tower.dimension,
        "n_vectors": tower.towers.n_vectors,
        "n_items": tower.vocabularies.items.num_rows,
        "n_users": tower.vocabularies.users.num_rows,
        "reserved_ids": FIRST_ID,
        "largest_norm": tower.largest_norm,
        "edges": list(tower.edges),
        "slots": tower.tokens_per_batch,
        "schema": tower.vocabularies.schema,
        "declared": tower.vocabularies.declared.model_dump(),
        "origin": tower.origin,
    }


def version_folder(folder: Path) -> Path:
    """Return the folder of the version in force.

    Raises:
        DatasetError: nothing was saved yet.
    """
    version = current_version(folder)
    if version is None:
        raise DatasetError(f"there is no query tower in {folder}; run: kedro run")
    return version


def intact_folder(folder: Path) -> Path:
    """Return the folder of the version in force, whose files were all hashed.

    Raises:
        DatasetError: nothing was saved yet, a file was changed, or the folder is of
            another format.
    """
    version = version_folder(folder)
    read_about(version)
    if not is_intact(version):
        raise DatasetError(
            f"{version} is damaged: its files are not those that were saved; {_AGAIN}"
        )
    return version


def read_about(folder: Path) -> JsonObject:
    """Return what the query tower in a version folder says of itself.

    Raises:
        DatasetError: the folder is of another format.
    """
    about = dict(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    if about.get("format") != FORMAT:
        raise DatasetError(
            f"{folder} is a query tower of format {about.get('format')}; this version "
            f"reads format {FORMAT}: {_AGAIN}"
        )
    return about


def read_vocabularies(folder: Path) -> Vocabularies:
    """Return the vocabularies of a version folder, without the model.

    Raises:
        DatasetError: the folder is of another format, or they are unsound.
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
    """Refuse a model of other sizes than the vocabularies'."""
    # Items of histories are as many as those of candidates, whatever embeds them.
    sizes = {"items": (tower.towers.item_tower, tower.vocabularies.items)}
    if tower.towers.profile is not None:
        sizes["users"] = (tower.towers.profile, tower.vocabularies.users)
    for name, (entities, table) in sizes.items():
        n_known = entities.n_entities - FIRST_ID
        if n_known != table.num_rows:
            raise DatasetError(
                f"{folder} has {table.num_rows} {name} for a model of {n_known}; "
                f"{_AGAIN}"
            )
