"""Datasets of files replaced in one step: JSON, text, Plotly figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kedro.io import AbstractDataset, DatasetError
from kedro.io.core import get_filepath_str, get_protocol_and_path
from kedro_datasets._typing import PlotlyPreview
from kedro_datasets.json import JSONDataset
from kedro_datasets.text import TextDataset

from two_tower.atomic import replace_checked_file
from two_tower.datasets.checked import checked_file, recovery

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class AtomicJSONDataset(JSONDataset):
    """A `JSONDataset` whose failed save leaves the old file in place.

    A load checks the hash that is kept beside the file (see `hashes`). NaN and
    infinity are refused: they are not valid JSON, and browsers can't read them.
    """

    DEFAULT_SAVE_ARGS: ClassVar[dict[str, Any]] = {
        "indent": 2,
        "ensure_ascii": False,
        "allow_nan": False,
    }

    def __init__(self, **options: Any) -> None:
        """Configure the dataset; `options` are those of `JSONDataset`."""
        super().__init__(**options)
        if self._protocol == "file":
            self._glob_function = self._find_versions

    def _find_versions(self, _: str) -> list[str]:
        # Kedro's pattern would take brackets in the folder's name for wildcards.
        return [
            str(path) for path in Path(self._filepath).glob(f"*/{self._filepath.name}")
        ]

    def load(self) -> Any:
        if self._protocol != "file":  # object stores check what they hold
            return super().load()
        path = Path(get_filepath_str(self._get_load_path(), self._protocol))
        with checked_file(path, recovery(path, self.metadata)):
            return json.loads(path.read_text(encoding="utf-8"))

    def save(self, data: Any) -> None:
        if self._protocol != "file":  # object stores write atomically
            super().save(data)
            return
        path = Path(get_filepath_str(self._get_save_path(), self._protocol))
        _replace_text(path, json.dumps(data, **self._save_args) + "\n")
        self._invalidate_cache()


class AtomicTextDataset(TextDataset):
    """A `TextDataset` of UTF-8 whose failed save leaves the old file in place.

    A load checks the hash that is kept beside the file (see `hashes`).
    """

    DEFAULT_FS_ARGS: ClassVar[dict[str, Any]] = {
        "open_args_save": {"mode": "w", "encoding": "utf-8"},
        "open_args_load": {"mode": "r", "encoding": "utf-8"},
    }

    def load(self) -> str:
        if self._protocol != "file":  # object stores check what they hold
            return str(super().load())
        path = Path(get_filepath_str(self._get_load_path(), self._protocol))
        with checked_file(path, recovery(path, self.metadata)):
            return path.read_text(encoding="utf-8")

    def save(self, data: str) -> None:
        if self._protocol != "file":  # object stores write atomically
            super().save(data)
            return
        path = Path(get_filepath_str(self._get_save_path(), self._protocol))
        _replace_text(path, data)
        self._invalidate_cache()


class PlotDataset(AbstractDataset["Figure", "Figure"]):
    """A Plotly figure as a JSON file, which Kedro-Viz shows.

    A load checks the hash that is kept beside the file (see `hashes`). Plotly is
    imported by `load` alone, so that the catalog opens without it.

    Example:
        ```yaml
        learning_curves:
          type: two_tower.datasets.atomic_files.PlotDataset
          filepath: ${globals:data}/08_reporting/${globals:dataset}/learning_curves.json
        ```
    """

    def __init__(
        self, *, filepath: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local JSON file; missing folders are made by the first save.
            metadata: for Kedro plugins; not read here.

        Raises:
            DatasetError: `filepath` is not local.
        """
        protocol, path = get_protocol_and_path(filepath)
        if protocol != "file":
            raise DatasetError(
                f"filepath {filepath!r} is not local; a plot is replaced by renaming a "
                "file. Give a local path."
            )
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Figure:
        import plotly.io as pio

        with checked_file(self._path, recovery(self._path, self.metadata)):
            return pio.from_json(self._path.read_text(encoding="utf-8"))

    def save(self, data: Figure) -> None:
        # Plotly's default engine is orjson where it is installed, with other bytes.
        text = data.to_json(engine="json", remove_uids=True)
        _replace_text(self._path, text + "\n")

    def preview(self) -> PlotlyPreview:
        """Return the figure in the form of Plotly's JavaScript."""
        figure = json.loads(self._path.read_text(encoding="utf-8"))
        return PlotlyPreview(figure)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


def _replace_text(path: Path, text: str) -> None:
    with replace_checked_file(path) as new:
        new.write_text(text, encoding="utf-8")
