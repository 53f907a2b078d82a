"""Hashes of saved content: of a file, of a folder, and the one kept beside a file.

A file's hash is in a hidden file beside it, in the format of `sha256sum`:

    metrics.json
    .metrics.json.sha256     `sha256sum --check .metrics.json.sha256` compares it
"""

import logging
import os
import re
import time
from collections.abc import Iterable
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final, TypeAlias

logger = logging.getLogger(__name__)

_SETTLED_NS: Final = 10**9
"""Age of a change, ns, after which a further change has another time: file systems
round times, to a hundredth of a second and less."""

_HASH_LINE: Final = re.compile(r"^([0-9a-f]{64})  ", re.MULTILINE)

_State: TypeAlias = tuple[int, ...]

_hashed: dict[Path, tuple[_State, str]] = {}


class DamagedError(ValueError):
    """Saved content is not what was saved; the message names the file or folder."""


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits.

    A file that has not changed since it was last hashed by this process is not read
    again.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        state = _state(status)
        known, digest = _hashed.get(path, ((), ""))
        if known == state:
            return digest
        is_settled = time.time_ns() - status.st_ctime_ns > _SETTLED_NS
        digest = file_digest(file, "sha256").hexdigest()
        if is_settled and _state(os.fstat(file.fileno())) == state:
            _hashed[path] = (state, digest)
    return digest


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's file names and contents."""
    digest = sha256()
    for file in files_below(folder):
        name = file.relative_to(folder).as_posix()
        digest.update(f"{file_sha256(file)}  {name}\n".encode())
    return digest.hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Return all files of a folder and its subfolders, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def hash_file(path: Path) -> Path:
    """Return the path of the file that keeps the hash of `path`."""
    return path.with_name(f".{path.name}.sha256")


def accepted_hashes(path: Path) -> set[str]:
    """Return the hashes that `path` may have; none if no hash is kept beside it.

    There are two while a save replaces the file.
    """
    try:
        text = hash_file(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return set()
    return set(_HASH_LINE.findall(text))


def hash_lines(path: Path, hashes: Iterable[str]) -> str:
    """Return the content of `hash_file(path)`."""
    return "".join(f"{digest}  {path.name}\n" for digest in sorted(hashes))


def check_file(path: Path) -> None:
    """Refuse a file whose content is not what was saved.

    A file without a hash beside it is let through with a warning: it was put there by
    hand.

    Raises:
        FileNotFoundError: there is no file.
        DamagedError: it is a folder, or its hash is another one.
    """
    if path.is_dir():
        raise DamagedError(f"{path} is a folder, where a file was saved")
    digest = file_sha256(path)
    kept = hash_file(path)
    if not kept.exists():
        logger.warning("%s is read without a check: there is no %s", path, kept.name)
    elif digest not in accepted_hashes(path):
        raise DamagedError(
            f"{path} is damaged: its SHA-256 is not the one in {kept.name}"
        )


def _state(status: os.stat_result) -> _State:
    """Return what changes whenever a file is written or replaced."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
