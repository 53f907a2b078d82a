"""Dataset of one table of a MovieLens archive, which is downloaded if it is absent."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import ibis.expr.types as ir
import pyarrow as pa
from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.ibis import FileDataset

from two_tower.datasets.arrow_batches import bind_batches, preview_batches
from two_tower.movielens.archive import ArchiveError, file_md5
from two_tower.movielens.movies import MOVIES_SCHEMA, read_movies
from two_tower.movielens.ratings import RATINGS_SCHEMA, read_ratings
from two_tower.movielens.releases import RELEASES, Release
from two_tower.movielens.users import USERS_SCHEMA, read_users

logger = logging.getLogger(__name__)

_Read = Callable[[Path, Release], Iterable[pa.RecordBatch]]

TABLES: Final[Mapping[str, tuple[pa.Schema, _Read]]] = {
    "ratings": (RATINGS_SCHEMA, read_ratings),
    "movies": (
        MOVIES_SCHEMA,
        lambda path, release: read_movies(path, release).to_batches(),
    ),
    "users": (
        USERS_SCHEMA,
        lambda path, release: read_users(path, release).to_batches(),
    ),
}
"""Schema and reader of each table; the readers document the columns."""


class MovieLensTableDataset(FileDataset):
    """Load ratings, movies or users of a release as an Ibis table; read-only.

    An existing archive is used whatever its MD5, which is logged and is the dataset's
    fingerprint. An absent archive is downloaded if it is published.

    A load reads the text once, in chunks, see `arrow_batches.bind_batches`. The users
    of a release without users are a table with all columns and no rows.

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
        """Configure the dataset; nothing is opened.

        Args:
            filepath: the archive, a local zip file.
            release: format of the archive, a name in `RELEASES`.
            table: `ratings`, `movies` or `users`.
            connection: Ibis backend of the loaded table: its `backend`, and arguments
                of `connect`. The default is DuckDB in memory.
            metadata: for Kedro plugins; not read here.

        Raises:
            DatasetError: `release` or `table` has another value.
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
        # `_release` is a method of Kedro's datasets.
        self._format = RELEASES[release]
        self._table = table

    def load(self) -> ir.Table:
        archive = self._archive()
        schema, read = TABLES[self._table]
        try:
            batches = read(archive, self._format)
            table, n_rows = bind_batches(self.connection, schema, batches)
        except ArchiveError as error:
            raise DatasetError(str(error)) from error
        logger.info("read %d %s of %s", n_rows, self._table, self._origin(archive))
        return table

    def save(self, data: ir.Table) -> None:
        raise DatasetError(f"{self._filepath} is read-only")

    def fingerprint(self) -> str:
        """Return the archive's MD5; an absent archive is downloaded first."""
        return file_md5(self._archive())

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows for Kedro-Viz; nothing is downloaded."""
        schema, read = TABLES[self._table]
        batches = read(Path(self._filepath), self._format) if self._exists() else ()
        return preview_batches(schema, batches, nrows)

    def _archive(self) -> Path:
        path = Path(self._filepath)
        if path.is_dir():
            raise DatasetError(f"{path} is a folder, not a zip archive; remove it")
        if not path.exists():
            self._download(path)
        return path

    def _download(self, path: Path) -> None:
        from two_tower.movielens.download import DownloadError, download_release

        url = self._format.url
        if url is None:
            raise DatasetError(
                f"{path} is missing; restore it from version control, or run: "
                "kedro run --pipelines simulation"
            )
        try:
            download_release(self._format, path)
        except DownloadError as error:
            raise DatasetError(
                f"{path} is missing and could not be downloaded: {error}; get {url} "
                "another way and save it as this file"
            ) from error

    def _origin(self, archive: Path) -> str:
        md5, published = file_md5(archive), self._format.md5
        if published is None:
            return f"{archive}, MD5 {md5}"
        if md5 == published:
            return f"{archive}, MD5 {md5} as published by GroupLens"
        return f"{archive}, MD5 {md5}, which differs from GroupLens' {published}"

    def _exists(self) -> bool:
        return Path(self._filepath).is_file()

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": str(self._filepath),
            "release": self._format.name,
            "table": self._table,
            "backend": self._connection_config["backend"],
        }
