"""Dataset of a simulated archive: a zip file, streamed and replaced in one step."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from kedro.io import AbstractDataset, DatasetError

from two_tower.atomic import replace_file
from two_tower.movielens.releases import RELEASES
from two_tower.simulation.archive_writer import Member

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the oldest time of the zip format
_UNIX: Final = 3
_READABLE: Final = 0o100644 << 16  # a regular file, rw-r--r--
_LEVEL: Final = 6
_BLOCK: Final = 1 << 20  # bytes read at a time
_AGAIN: Final = "run, with its --env: kedro run --pipelines simulation"


class SimulatedArchiveDataset(AbstractDataset[list[Member], list[Member]]):
    """Save members as a zip archive; equal members give equal bytes.

    The archive holds no time, user or machine, but the compressed bytes may differ
    between versions of zlib. A failed save leaves the old archive in place.
    """

    def __init__(
        self,
        *,
        filepath: str,
        release: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Configure the dataset; nothing is opened.

        Args:
            filepath: a local zip file; missing folders are made by the first save.
                Saving under the name of a published release is refused.
            release: format that ingestion expects, a name in `RELEASES`; None: any.
            metadata: for Kedro plugins; not read here.
        """
        self._filepath = Path(filepath)
        # `_release` is a method of Kedro's datasets.
        self._expected = release
        self.metadata = metadata

    def save(self, data: list[Member]) -> None:
        self._refuse_downloads()
        self._refuse_other_formats(data)
        with (
            replace_file(self._filepath) as new,
            ZipFile(new, "w", compresslevel=_LEVEL) as archive,
        ):
            for member in data:
                # Sizes are unknown before a member's end, so 64 bits are reserved.
                with archive.open(_info(member.name), "w", force_zip64=True) as file:
                    for chunk in member.chunks():
                        file.write(chunk)

    def load(self) -> list[Member]:
        """Return the members; their bytes are read on demand."""
        with _readable(self._filepath), ZipFile(self._filepath) as archive:
            names = archive.namelist()
        return [Member(name, partial(_read, self._filepath, name)) for name in names]

    def _refuse_downloads(self) -> None:
        published = RELEASES.get(self._filepath.stem)
        if published is not None and published.url is not None:
            raise DatasetError(
                f"{self._filepath} has the name of the published {published.name}, "
                "so no simulated archive is saved there; set another `dataset` in the "
                f"environment's globals.yml, and `release: {published.name}` for its "
                "format"
            )

    def _refuse_other_formats(self, members: list[Member]) -> None:
        if self._expected is None:
            return
        release = RELEASES.get(self._expected)
        folders = sorted({PurePosixPath(member.name).parts[0] for member in members})
        if release is None or folders != [release.folder]:
            raise DatasetError(
                f"{self._filepath} is read in the format {self._expected!r}, but the "
                f"archive has the format of {', '.join(folders)}; set `release` in the "
                "environment's globals.yml and simulation.release to one value, out of "
                f"{', '.join(RELEASES)}"
            )

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def _info(name: str) -> ZipInfo:
    info = ZipInfo(name, _EPOCH)
    info.compress_type = ZIP_DEFLATED
    info.create_system = _UNIX
    info.external_attr = _READABLE
    return info


def _read(path: Path, name: str) -> Iterator[bytes]:
    with _readable(path), ZipFile(path) as archive, archive.open(name) as file:
        while block := file.read(_BLOCK):
            yield block


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name the archive in whatever `zipfile` raises; each member has its own CRC."""
    try:
        yield
    except FileNotFoundError as error:
        raise DatasetError(f"no archive at {path}; {_AGAIN}") from error
    except Exception as error:  # a damaged header may look like any feature of zip
        raise DatasetError(f"{path} is damaged: {error}; {_AGAIN}") from error
