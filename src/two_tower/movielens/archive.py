"""Open the tables of a release's archive, and refuse an archive that is not sound."""

import errno
import hashlib
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from two_tower.movielens.releases import Release, TextTable

MAX_UNPACKED_BYTES: Final = 8 * 2**30
"""Limit of all members together. The largest release, ml-32m, unpacks to 1 GB, and a
simulated archive of 100 million ratings to about 3 GB."""

MAX_RATIO: Final = 100
"""Limit of a member's unpacked size divided by its packed size. Published tables have
3 to 7; a decompression bomb comes near deflate's limit of 1,032."""

MIN_BOMB_BYTES: Final = 2**20
"""Unpacked size up to which a member is harmless at any ratio."""

_ENCRYPTED = 0x1  # a bit of ZipInfo.flag_bits
_CORRUPT = (
    BadZipFile,
    EOFError,
    NotImplementedError,  # a zip version or feature that zipfile doesn't support
    UnicodeDecodeError,  # a member's name
    struct.error,
    zlib.error,
)


class ArchiveError(ValueError):
    """An archive can't be read; the message names the fault and where it is."""


def file_md5(path: Path) -> str:
    """Return a file's MD5 as hexadecimal digits, GroupLens' form."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest()


@contextmanager
def open_table(path: Path, release: Release, table: TextTable) -> Iterator[IO[bytes]]:
    """Open a table of an archive as a stream of bytes; nothing is unpacked to disk.

    Args:
        path: the archive.
        release: format of the archive.
        table: one of the release's tables.

    Yields:
        The table's bytes; their CRC is checked at the end.

    Raises:
        ArchiveError: the archive is truncated, corrupt or encrypted, lacks the table,
            names files outside its folder, or unpacks to more than the limits.
    """
    try:
        with ZipFile(path) as archive:
            _refuse_unsafe(path, archive.infolist())
            member = _find_member(path, archive.infolist(), release, table)
            with archive.open(member) as stream:
                yield stream
    except _CORRUPT as error:
        raise _corrupt_archive(path, error) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a seek to before the start of the file
            raise _corrupt_archive(path, error) from error
        raise


def _corrupt_archive(path: Path, error: Exception) -> ArchiveError:
    return ArchiveError(
        f"{path} is not a complete zip archive ({error}); delete it to download it "
        "again, or replace it by a sound copy"
    )


def _refuse_unsafe(path: Path, members: list[ZipInfo]) -> None:
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ":" in name or ".." in PurePosixPath(name).parts:
            raise ArchiveError(
                f"{path} is not read: it holds a member outside its own folder "
                f"({member.filename!r}), as no MovieLens archive does"
            )
        if member.file_size > max(MIN_BOMB_BYTES, MAX_RATIO * member.compress_size):
            raise ArchiveError(
                f"{path} is not read: {member.filename!r} would unpack "
                f"{member.compress_size:,} bytes to {member.file_size:,}, more than "
                f"{MAX_RATIO} times as many, as a decompression bomb does"
            )
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise ArchiveError(
            f"{path} would unpack to {unpacked:,} bytes; at most "
            f"{MAX_UNPACKED_BYTES:,} are read"
        )


def _find_member(
    path: Path, members: list[ZipInfo], release: Release, table: TextTable
) -> ZipInfo:
    name = release.path(table)
    matches = [member for member in members if member.filename == name]
    if len(matches) != 1:
        files = sorted(one.filename for one in members if one.filename[-1:] != "/")
        raise ArchiveError(
            f"{path} holds {len(matches)} members {name!r}, but {release.name} has "
            f"exactly one; it holds {files[:8]}. Is it the archive of another release?"
        )
    member = matches[0]
    if member.flag_bits & _ENCRYPTED:
        raise ArchiveError(
            f"{name!r} of {path} is encrypted; replace the archive by an open copy"
        )
    if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise ArchiveError(
            f"{name!r} of {path} is packed by method {member.compress_type}; "
            "pack it again with deflate, as GroupLens does"
        )
    if member.file_size == 0:
        raise ArchiveError(f"{name!r} of {path} is empty")
    return member
