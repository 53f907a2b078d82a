"""A JSON file that is replaced in one step."""

import json
from pathlib import Path
from typing import Any, ClassVar

from kedro.io.core import get_filepath_str
from kedro_datasets.json import JSONDataset
from kedro_datasets.text import TextDataset

from two_tower.atomic import replace_file


class AtomicJSONDataset(JSONDataset):
    """Save like `JSONDataset`, but a save that fails leaves the old file in place.

    NaN and infinity are refused: they are no JSON, and browsers can't read them.
    """

    DEFAULT_SAVE_ARGS: ClassVar[dict[str, Any]] = {
        "indent": 2,
        "ensure_ascii": False,
        "allow_nan": False,
    }

    def save(self, data: Any) -> None:
        if self._protocol != "file":  # an object store shows a file once it is whole
            super().save(data)
            return
        path = Path(get_filepath_str(self._get_save_path(), self._protocol))
        with replace_file(path) as new:
            text = json.dumps(data, **self._save_args) + "\n"
            new.write_text(text, encoding="utf-8")
        self._invalidate_cache()


class AtomicTextDataset(TextDataset):
    """Save UTF-8 text like `TextDataset`; a save that fails leaves the old file."""

    DEFAULT_FS_ARGS: ClassVar[dict[str, Any]] = {
        "open_args_save": {"mode": "w", "encoding": "utf-8"},
        "open_args_load": {"mode": "r", "encoding": "utf-8"},
    }

    def save(self, data: str) -> None:
        if self._protocol != "file":  # an object store shows a file once it is whole
            super().save(data)
            return
        path = Path(get_filepath_str(self._get_save_path(), self._protocol))
        with replace_file(path) as new:
            new.write_text(data, encoding="utf-8")
        self._invalidate_cache()
