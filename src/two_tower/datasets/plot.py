"""A Plotly figure kept as JSON, which Kedro-Viz draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError
from kedro.io.core import get_protocol_and_path
from kedro_datasets._typing import PlotlyPreview

from two_tower.atomic import replace_file

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class PlotDataset(AbstractDataset["Figure", "Figure"]):
    """Keep a figure as a JSON file that is replaced in one step.

    Plotly is imported by `load` alone, so that the catalog opens without it.

    Example:
        ```yaml
        learning_curves:
          type: two_tower.datasets.plot.PlotDataset
          filepath: ${globals:data}/08_reporting/${globals:dataset}/learning_curves.json
        ```
    """

    def __init__(
        self, *, filepath: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Describe where the figure lies; nothing is opened.

        Args:
            filepath: a local JSON file; missing folders are made by the first save.
            metadata: for Kedro plugins; not read here.
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

        return pio.from_json(self._path.read_text(encoding="utf-8"))

    def save(self, data: Figure) -> None:
        # Plotly would use orjson where it is installed, which writes other bytes.
        text = data.to_json(engine="json", remove_uids=True)
        with replace_file(self._path) as new:
            new.write_text(text + "\n", encoding="utf-8")

    def preview(self) -> PlotlyPreview:
        """Return the figure as Plotly's JavaScript takes it."""
        figure = json.loads(self._path.read_text(encoding="utf-8"))
        return PlotlyPreview(figure)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}
