"""A table of a MovieLens archive, which is downloaded where it is absent."""

import logging
import weakref
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.ibis import FileDataset

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


class MovieLensTableDataset(FileDataset):  # type: ignore[misc]
    """Load ratings, movies or users of a release as an Ibis table; never save.

    An archive that is there is used whatever its MD5, which is logged and is the
    dataset's fingerprint. One that isn't is downloaded, if anybody publishes it.

    A load reads the text once, a piece at a time, into a Parquet file of its own in the
    system's folder for temporary files (`TMPDIR`). The file goes when nothing made
    from the table is left, or with the process. A release without users has an empty
    table of them, with all its columns.

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
        self._release = RELEASES[release]
        self._table = table

    def load(self) -> ir.Table:
        archive = self._archive()
        scratch = TemporaryDirectory(prefix="two-tower-")
        file = Path(scratch.name, f"{self._table}.parquet")
        try:
            self._unpack(archive, file)
            table = self.connection.read_parquet(str(file))
        except BaseException:
            scratch.cleanup()
            raise
        # Every expression made from the table holds on to its operation.
        weakref.finalize(table.op(), scratch.cleanup)
        return table

    def save(self, data: ir.Table) -> None:
        raise DatasetError(f"{self._filepath} is only read, never saved to")

    def fingerprint(self) -> str:
        """Return the archive's MD5; an absent archive is downloaded first."""
        return md5_of(self._archive())

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows for Kedro-Viz; nothing is downloaded for it."""
        schema, read = TABLES[self._table]
        batches = read(Path(self._filepath), self._release) if self._exists() else ()
        rows = list(islice((r for batch in batches for r in batch.to_pylist()), nrows))
        return TablePreview(
            {
                "index": list(range(len(rows))),
                "columns": schema.names,
                "data": [[_shown(value) for value in row.values()] for row in rows],
            }
        )

    def _unpack(self, archive: Path, file: Path) -> None:
        schema, read = TABLES[self._table]
        try:
            with pq.ParquetWriter(file, schema) as writer:
                for batch in read(archive, self._release):
                    writer.write_batch(batch)
        except ArchiveError as error:
            raise DatasetError(str(error)) from error
        n_rows = pq.read_metadata(file).num_rows
        logger.info("read %d %s of %s", n_rows, self._table, self._origin(archive))

    def _archive(self) -> Path:
        path = Path(self._filepath)
        if not path.exists():
            self._fetch(path)
        return path

    def _fetch(self, path: Path) -> None:
        from two_tower.movielens.download import DownloadError, fetch

        url = self._release.url
        if url is None:
            raise DatasetError(
                f"{path} is absent; it is part of the project: restore it from version "
                "control, or make it with `kedro run --pipelines simulation`"
            )
        try:
            fetch(self._release, path)
        except DownloadError as error:
            raise DatasetError(
                f"{path} is absent and can't be downloaded: {error}; get {url} some "
                "other way and put it there under this name"
            ) from error

    def _origin(self, archive: Path) -> str:
        found, published = md5_of(archive), self._release.md5
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
            "release": self._release.name,
            "table": self._table,
            "backend": self._connection_config["backend"],
        }


def _shown(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
