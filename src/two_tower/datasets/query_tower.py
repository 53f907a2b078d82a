"""The query tower with its vocabulary, in one folder."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import AbstractDataset, DatasetError

from two_tower.atomic import current_version, replace_folder
from two_tower.towers.query_tower import QueryTower
from two_tower.types import FIRST_ID

from .keras_model import KerasModelDataset

MODEL = "towers.keras"
ITEM_IDS = "item_ids.parquet"
ABOUT = "about.json"


class QueryTowerDataset(AbstractDataset[QueryTower, QueryTower]):
    """Keep all that turns raw item ids into query vectors; no half is ever read."""

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
        folder = current_version(self._folder)
        if folder is None:
            raise DatasetError(
                f"no query tower at {self._folder}; run the export pipeline"
            )
        towers = KerasModelDataset(filepath=str(folder / MODEL)).load()
        item_ids = pq.read_table(folder / ITEM_IDS)["item_id"].combine_chunks()
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        n_known = towers.item_tower.n_entities - about["reserved_ids"]
        if n_known != len(item_ids):
            raise DatasetError(
                f"{folder} has {len(item_ids)} item ids for a model of {n_known} "
                "items; run the export pipeline again"
            )
        return QueryTower(towers, item_ids, about["edges"], about["slots"])

    def save(self, data: QueryTower) -> None:
        about = {
            "edges": list(data.edges),
            "slots": data.slots,
            "reserved_ids": FIRST_ID,
        }
        with replace_folder(self._folder) as folder:
            data.towers.save(folder / MODEL)
            pq.write_table(pa.table({"item_id": data.item_ids}), folder / ITEM_IDS)
            (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")

    def _exists(self) -> bool:
        return current_version(self._folder) is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
