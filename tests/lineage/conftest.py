from pathlib import Path

import pytest

from tests.lineage.small_runs import PIPELINE, PIPELINES
from two_tower.lineage import graph, parameters


def make_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registered) -> Path:
    for module in (graph, parameters):
        monkeypatch.setattr(module, "pipelines", registered)
    (tmp_path / "raw.json").write_text("[1, 2]")
    return tmp_path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return a folder with raw data for `PIPELINE`."""
    return make_folder(tmp_path, monkeypatch, {"__default__": PIPELINE})


@pytest.fixture
def deployment(tmp_path, monkeypatch) -> Path:
    """Return a folder with raw data for `PIPELINES`."""
    (tmp_path / "more.json").write_text("[7]")
    return make_folder(tmp_path, monkeypatch, PIPELINES)
