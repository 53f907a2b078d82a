"""Atomic replacement of files and folders: readers never see an incomplete save.

A file is written to a temporary path and renamed over its target. A folder can't be
replaced by one rename, so its content is in a version folder that a pointer file names:

    histories/
        _current             name of the current version, replaced last
        v-3f0c…/             content, named by its hash

pandas, PyArrow and Spark skip names that start with `_`, so they can read such a folder
of Parquet files without this project.

A save needs temporary folders named `.saving-…`, beside what it saves. Each save
removes those that a killed process left there.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from two_tower.hashes import (
    DamagedError,
    accepted_hashes,
    file_sha256,
    files_below,
    folder_digest,
    hash_file,
    hash_lines,
)
from two_tower.scratch import Scratch, remove_tree, try_lock

POINTER: Final = "_current"
VERSION_PREFIX: Final = "v-"
VERSION_DIGITS: Final = 16  # 64 bits of SHA-256, enough for a few versions
SAVING: Final = ".saving-"
"""Start of the names of temporary folders in a folder that is saved to."""

_VERSION: Final = re.compile(rf"{VERSION_PREFIX}[0-9a-f]{{{VERSION_DIGITS}}}")

_REMEDIES: Final = {
    errno.ENOSPC: "free space on its disk",
    errno.EDQUOT: "free space in your quota",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.EROFS: "make it writable",
    errno.EIO: "check its disk",
    errno.EISDIR: "remove the folder that is in its way",
    errno.ENOTDIR: "remove the file that is in the way of its folder",
}


class SaveError(OSError):
    """A save has failed; the message says what could not be saved, and why."""

    def __str__(self) -> str:
        return str(self.args[1])


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a path to write; at the end its file replaces `path`.

    If the block raises, `path` is unchanged and the new file is removed.

    Args:
        path: the file to create or replace; missing parent folders are made.

    Yields:
        A path with the name of `path`, in a temporary folder on its file system.

    Raises:
        SaveError: the file system refuses, or the block raises an OSError.
    """
    with name_failures(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with Scratch(path.parent, SAVING, path.name) as scratch:
            new = scratch.path / path.name
            yield new
            flush(new)
            new.replace(path)


@contextmanager
def replace_checked_file(path: Path) -> Iterator[Path]:
    """Replace a file like `replace_file`, and keep its hash for `hashes.check_file`."""
    with replace_file(path) as new:
        yield new
        digest = file_sha256(new)
        # Until one has replaced the other, either file is intact.
        old = accepted_hashes(path)
        if not old and path.is_file():
            old = {file_sha256(path)}
        _keep_hashes(path, {digest} | old)
    _keep_hashes(path, {digest})


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; at the end it becomes the version of `folder`.

    If the block raises, the current version stays. Otherwise the old version is removed
    last, which invalidates lazy tables on its files. Saving unchanged content changes
    nothing on disk.

    Args:
        folder: folder of the version and the pointer; missing folders are made.

    Yields:
        An empty temporary folder on the file system of `folder`.

    Raises:
        SaveError: the file system refuses, another process is saving the folder, or
            the block raises an OSError.
    """
    with name_failures(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with Scratch(folder.parent, SAVING, folder.name) as scratch:
            new = scratch.path / "new"
            new.mkdir()
            yield new
            _make_current(new, folder)


def current_version(folder: Path) -> Path | None:
    """Return the current version's folder, or None before the first save.

    Raises:
        DamagedError: the pointer names no version.
    """
    pointer = folder / POINTER
    if not pointer.exists():
        return None
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{pointer} is damaged: {error}") from error
    if not _VERSION.fullmatch(name) or not (folder / name).is_dir():
        raise DamagedError(f"{pointer} is damaged: it names no version of {folder}")
    return folder / name


def has_version(folder: Path) -> bool:
    """Return whether `folder` has a current version."""
    try:
        return current_version(folder) is not None
    except DamagedError:
        return False


def is_intact(version: Path) -> bool:
    """Return whether a version folder has the content that was saved."""
    return _version_name(version) == version.name


@contextmanager
def name_failures(path: Path) -> Iterator[None]:
    """Raise an OSError of the block as a SaveError that names `path`.

    Args:
        path: what the block saves.

    Raises:
        SaveError: with the cause, and what to do about it.
    """
    try:
        yield
    except SaveError:
        raise  # it names a file of `path`
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        raise SaveError(
            error.errno,
            f"{path} was not saved: {_cause(error)}; "
            + (f"{remedy}, then run again" if remedy else "run again"),
        ) from error


def flush(path: Path) -> None:
    """Write a file's bytes or a folder's names to disk, as needed before a rename."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _cause(error: OSError) -> str:
    """Return why the system refused, and the file unless it is a temporary one."""
    if not error.errno:
        return str(error)
    cause = os.strerror(error.errno)
    is_named = error.filename and SAVING not in str(error.filename)
    return f"{cause}: {error.filename}" if is_named else cause


def _make_current(new: Path, folder: Path) -> None:
    """Move `new` into `folder`, point to it, and remove the other versions."""
    folder.mkdir(exist_ok=True)
    with _locked(folder):
        version = folder / _version_name(new)
        if not version.is_dir() or not is_intact(version):
            for path in [*files_below(new), new]:
                flush(path)
            if version.exists():  # with damaged content
                version.rename(new.with_name("damaged"))
            new.rename(version)
            flush(folder)
        with replace_file(folder / POINTER) as pointer:
            pointer.write_text(version.name + "\n", encoding="utf-8")
        for other in folder.glob(f"{VERSION_PREFIX}*"):
            if other != version:
                remove_tree(other)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Refuse a second save of a folder, which would remove the version of the first."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        if not try_lock(lock):
            raise SaveError(
                errno.EWOULDBLOCK,
                f"{folder} was not saved: another process is saving it; wait for its "
                "end, then run again",
            )
        yield
    finally:
        os.close(lock)


def _version_name(folder: Path) -> str:
    return f"{VERSION_PREFIX}{folder_digest(folder)[:VERSION_DIGITS]}"


def _keep_hashes(path: Path, hashes: set[str]) -> None:
    with replace_file(hash_file(path)) as new:
        new.write_text(hash_lines(path, hashes), encoding="ascii")
