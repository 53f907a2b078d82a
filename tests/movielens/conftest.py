from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from two_tower.movielens.movies import read_movies
from two_tower.movielens.ratings import read_ratings
from two_tower.movielens.releases import RELEASES
from two_tower.movielens.users import read_users

from .archives import write_archive

Read = Callable[[str, str, Mapping[str, bytes | str | None]], list[dict[str, Any]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a reader of the rows of one table, from an archive with changed files."""
    readers = {
        "movies": read_movies,
        "users": read_users,
        "ratings": lambda *args: pa.Table.from_batches(read_ratings(*args)),
    }

    def read_changed(table, release, changed):
        path = write_archive(tmp_path / f"{release}.zip", release, changed)
        return readers[table](path, RELEASES[release]).to_pylist()

    return read_changed
