"""A table of a MovieLens archive, which is downloaded where it is absent."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import ibis.expr.types as ir
import pyarrow as pa
from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.ibis import FileDataset

from two_tower.datasets.text_tables import bind_batches, preview_batches
from two_tower.movielens.archive import ArchiveError, md5_of
from two_tower.movielens.movies import MOVIES_SCHEMA, read_movies
from two_tower.movielens.ratings import RATINGS_SCHEMA, read_ratings
from two_tower.movielens.releases import RELEASES, Release
from two_tower.movielens.users import USERS_SCHEMA, read_users

logger = logging.getLogger(__name__)

_Read = Callable[[Path, Release], Iterable[pa.RecordBatch]]

TABLES: Final[Mapping[str, tuple[pa.Schema, _Read]]] = {
    "ratings": (RATINGS_SCHEMA, read_ratings),
    "movies": (MOVIES_SCHEMA, lambda *of: read_movies(*of).to_batches()),
    "users": (USERS_SCHEMA, lambda *of: read_users(*of).to_batches()),
}
"""Each table's columns, and how it is read; see the functions for their meaning."""


class MovieLensTableDataset(FileDataset):
    """Load ratings, movies or users of a release as an Ibis table; never save.

    An archive that is there is used whatever its MD5, which is logged and is the
    dataset's fingerprint. One that isn't is downloaded, if anybody publishes it.

    A load reads the text once, a piece at a time, see `scratch.bind_batches`. A release
    without users has a table of them without rows, but with all columns.

    Example:
        ```yaml
        raw_interactions:
          type: two_tower.datasets.movielens_table.MovieLensTableDataset
          filepath: data/01_raw/ml-1m.zip
          release: ml-1m
          table: ratings
        ```
    """

    def __init__(
        self,
        *,
        filepath: str,
        release: str,
        table: str,
        connection: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Describe where the table lies; nothing is opened.

        Args:
            filepath: the archive, a local zip file.
            release: how it is written, one of `RELEASES`.
            table: `ratings`, `movies` or `users`.
            connection: the Ibis backend that `load` binds the table to: its `backend`,
                and what `connect` takes. The default is DuckDB in memory.
            metadata: for Kedro plugins; not read here.
        """
        super().__init__(filepath=filepath, connection=connection, metadata=metadata)
        for name, given, allowed in [
            ("release", release, RELEASES),
            ("table", table, TABLES),
        ]:
            if given not in allowed:
                raise DatasetError(
                    f"{name} is {given!r}; allowed are {', '.join(allowed)}"
                )
        # Not `_release`: that is the method which Kedro calls to empty caches.
        self._written_as = RELEASES[release]
        self._table = table

    def load(self) -> ir.Table:
        archive = self._archive()
        schema, read = TABLES[self._table]
        try:
            batches = read(archive, self._written_as)
            table, n_rows = bind_batches(self.connection, schema, batches)
        except ArchiveError as error:
            raise DatasetError(str(error)) from error
        logger.info("read %d %s of %s", n_rows, self._table, self._origin(archive))
        return table

    def save(self, data: ir.Table) -> None:
        raise DatasetError(f"{self._filepath} is only read, never saved to")

    def fingerprint(self) -> str:
        """Return the archive's MD5; an absent archive is downloaded first."""
        return md5_of(self._archive())

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows for Kedro-Viz; nothing is downloaded for it."""
        schema, read = TABLES[self._table]
        batches = read(Path(self._filepath), self._written_as) if self._exists() else ()
        return preview_batches(schema, batches, nrows)

    def _archive(self) -> Path:
        path = Path(self._filepath)
        if not path.exists():
            self._fetch(path)
        return path

    def _fetch(self, path: Path) -> None:
        from two_tower.movielens.download import DownloadError, fetch

        url = self._written_as.url
        if url is None:
            raise DatasetError(
                f"{path} is absent; it is part of the project: restore it from version "
                "control, or make it with `kedro run --pipelines simulation`"
            )
        try:
            fetch(self._written_as, path)
        except DownloadError as error:
            raise DatasetError(
                f"{path} is absent and can't be downloaded: {error}; get {url} some "
                "other way and put it there under this name"
            ) from error

    def _origin(self, archive: Path) -> str:
        found, published = md5_of(archive), self._written_as.md5
        if published is None:
            return f"{archive}, MD5 {found}"
        if found == published:
            return f"{archive}, MD5 {found} as published by GroupLens"
        return f"{archive}, MD5 {found}, which is not GroupLens' {published}"

    def _exists(self) -> bool:
        return Path(self._filepath).is_file()

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": str(self._filepath),
            "release": self._written_as.name,
            "table": self._table,
            "backend": self._connection_config["backend"],
        }
