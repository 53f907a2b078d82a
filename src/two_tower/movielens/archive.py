"""Tables out of a release's archive, which is not trusted to be sound."""

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
"""All members together. The largest release, ml-32m, unpacks to 1 GB, and a simulated
archive of 100 million ratings to about 3."""

MAX_RATIO: Final = 100
"""Unpacked to packed size of a member. Published tables shrink 3 to 7 times, while a
bomb comes near deflate's limit of 1,032."""

MIN_BOMB_BYTES: Final = 2**20
"""Members below this can't hurt, however well they are packed."""

_ENCRYPTED = 0x1  # a bit of ZipInfo.flag_bits
_CORRUPT = (
    BadZipFile,
    EOFError,
    NotImplementedError,  # a version or feature of zip that zipfile doesn't know
    UnicodeDecodeError,  # a member's name
    struct.error,
    zlib.error,
)


class ArchiveError(ValueError):
    """An archive that can't be read; the message says what is wrong and where."""


def md5_of(path: Path) -> str:
    """Return a file's MD5 in hexadecimal, as GroupLens publishes it."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest()


@contextmanager
def open_table(path: Path, release: Release, table: TextTable) -> Iterator[IO[bytes]]:
    """Open a table of an archive as a stream of bytes; nothing is unpacked to disk.

    Args:
        path: the archive.
        release: how it is written.
        table: the table wanted, one of the release's.

    Yields:
        The table's bytes; reaching their end checks their CRC.

    Raises:
        ArchiveError: the archive is truncated, corrupt or encrypted, lacks the table,
            names files outside its folder, or unpacks to more than the limits.
    """
    try:
        with ZipFile(path) as archive:
            _refuse_unsafe(path, archive.infolist())
            member = _find(path, archive.infolist(), release, table)
            with archive.open(member) as stream:
                yield stream
    except _CORRUPT as error:
        raise _no_archive(path, error) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a position before the file's beginning
            raise _no_archive(path, error) from error
        raise


def _no_archive(path: Path, error: Exception) -> ArchiveError:
    return ArchiveError(
        f"{path} is no whole zip archive ({error}); delete it, so that it is "
        "downloaded again, or put a sound copy there"
    )


def _refuse_unsafe(path: Path, members: list[ZipInfo]) -> None:
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ":" in name or ".." in PurePosixPath(name).parts:
            raise ArchiveError(
                f"{path} holds a member outside its own folder ({member.filename!r}); "
                "no MovieLens archive does, so it is not read"
            )
        if member.file_size > max(MIN_BOMB_BYTES, MAX_RATIO * member.compress_size):
            raise ArchiveError(
                f"{member.filename!r} of {path} would unpack {member.compress_size:,} "
                f"bytes to {member.file_size:,}, more than {MAX_RATIO} times as many: "
                "a decompression bomb, so it is not read"
            )
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise ArchiveError(
            f"{path} would unpack to {unpacked:,} bytes; at most "
            f"{MAX_UNPACKED_BYTES:,} are read"
        )


def _find(
    path: Path, members: list[ZipInfo], release: Release, table: TextTable
) -> ZipInfo:
    wanted = release.path(table)
    found = [member for member in members if member.filename == wanted]
    if len(found) != 1:
        names = sorted(one.filename for one in members if one.filename[-1:] != "/")
        raise ArchiveError(
            f"{path} holds {len(found)} members {wanted!r}, {release.name} has exactly "
            f"one; found are {names[:8]}. Is it the archive of another release?"
        )
    member = found[0]
    if member.flag_bits & _ENCRYPTED:
        raise ArchiveError(f"{wanted!r} of {path} is encrypted; put an open copy there")
    if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise ArchiveError(
            f"{wanted!r} of {path} is packed by method {member.compress_type}; "
            "pack it again with deflate, as GroupLens does"
        )
    if member.file_size == 0:
        raise ArchiveError(f"{wanted!r} of {path} is empty")
    return member
