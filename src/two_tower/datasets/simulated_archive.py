"""A zip archive that is streamed from its members and replaced in one step."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from kedro.io import AbstractDataset, DatasetError

from two_tower.atomic import replace_file
from two_tower.movielens.releases import RELEASES
from two_tower.simulation.archive_writer import Member

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip archive can hold
_UNIX: Final = 3
_READABLE: Final = 0o100644 << 16  # a regular file, rw-r--r--
_LEVEL: Final = 6
_BLOCK: Final = 1 << 20  # bytes read at a time


class SimulatedArchiveDataset(AbstractDataset[list[Member], list[Member]]):
    """Save members as a zip archive: equal members give equal bytes.

    No time, user or machine goes into the archive; what deflate makes of a member may
    still differ between versions of zlib. A save that fails leaves the old archive.
    """

    def __init__(
        self,
        *,
        filepath: str,
        release: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Describe where the archive lies; nothing is opened.

        Args:
            filepath: a local path; missing folders are made by the first save. One
                under the name of a published release is never saved to.
            release: whose format the archive is read by, a name in `RELEASES`; None
                takes any.
            metadata: for Kedro plugins; not read here.
        """
        self._filepath = Path(filepath)
        # Not `_release`: that is the method which Kedro calls to empty caches.
        self._read_as = release
        self.metadata = metadata

    def save(self, data: list[Member]) -> None:
        self._refuse_downloads()
        self._refuse_other_formats(data)
        with (
            replace_file(self._filepath) as new,
            ZipFile(new, "w", compresslevel=_LEVEL) as archive,
        ):
            for member in data:
                # 64-bit sizes throughout, since none is known before its member's end.
                with archive.open(_info(member.name), "w", force_zip64=True) as file:
                    for chunk in member.chunks():
                        file.write(chunk)

    def load(self) -> list[Member]:
        """Return the members, whose bytes are read when asked for."""
        if not self._exists():
            raise DatasetError(
                f"no archive at {self._filepath}; "
                "run `kedro run --pipelines simulation`, which makes it"
            )
        with ZipFile(self._filepath) as archive:
            names = archive.namelist()
        return [Member(name, partial(_read, self._filepath, name)) for name in names]

    def _refuse_downloads(self) -> None:
        published = RELEASES.get(self._filepath.stem)
        if published is not None and published.url is not None:
            raise DatasetError(
                f"{self._filepath} is the place of the published {published.name}, "
                "which a simulated archive never takes; give the environment's "
                "globals.yml another `dataset`, and `release: "
                f"{published.name}` for its format"
            )

    def _refuse_other_formats(self, members: list[Member]) -> None:
        if self._read_as is None:
            return
        release = RELEASES.get(self._read_as)
        folders = sorted({PurePosixPath(member.name).parts[0] for member in members})
        if release is None or folders != [release.folder]:
            raise DatasetError(
                f"{self._filepath} is read as the release {self._read_as!r}, but the "
                f"archive is written as {', '.join(folders)}; set `release` in the "
                "environment's globals.yml and simulation.release to the same one of "
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
    with ZipFile(path) as archive, archive.open(name) as file:
        while block := file.read(_BLOCK):
            yield block
