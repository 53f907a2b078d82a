"""Atomic replacement of files and folders: readers never see an incomplete save.

A file is written to a temporary path and renamed over its target. A folder can't be
replaced by one rename, so its content is in a version folder that a pointer file names:

    histories/
        _current             name of the current version, replaced last
        v-3f0c…/             content, named by its hash

pandas, PyArrow and Spark skip names that start with `_`, so they can read such a folder
of Parquet files without this project.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

POINTER: Final = "_current"
VERSION_PREFIX: Final = "v-"
VERSION_DIGITS: Final = 16  # 64 bits of SHA-256, enough for a few versions


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a path to write; at the end its file replaces `path`.

    If the block raises, `path` is unchanged and the new file is removed.

    Args:
        path: the file to create or replace; missing parent folders are made.

    Yields:
        A path with the name of `path`, in a temporary folder on its file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".saving-{path.name}-") as scratch:
        new = Path(scratch, path.name)
        yield new
        _flush(new)
        new.replace(path)


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
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".saving-{folder.name}-"
    with TemporaryDirectory(dir=folder.parent, prefix=prefix) as scratch:
        new = Path(scratch, "new")
        new.mkdir()
        yield new
        version = folder / _version_name(new)
        if not version.is_dir() or not is_intact(version):
            for file in _files(new):
                _flush(file)
            folder.mkdir(exist_ok=True)
            if version.exists():  # with damaged content
                version.rename(Path(scratch, "damaged"))
            new.rename(version)
        with replace_file(folder / POINTER) as pointer:
            pointer.write_text(version.name + "\n", encoding="utf-8")
    for other in folder.glob(f"{VERSION_PREFIX}*"):
        if other != version:
            shutil.rmtree(other)


def current_version(folder: Path) -> Path | None:
    """Return the current version's folder, or None before the first save."""
    pointer = folder / POINTER
    if not pointer.is_file():
        return None
    return folder / pointer.read_text(encoding="utf-8").strip()


def is_intact(version: Path) -> bool:
    """Return whether a version folder has the content that was saved."""
    return _version_name(version) == version.name


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's file names and contents."""
    digest = sha256()
    for file in _files(folder):
        name = file.relative_to(folder).as_posix()
        digest.update(f"{file_sha256(file)}  {name}\n".encode())
    return digest.hexdigest()


def _version_name(folder: Path) -> str:
    return f"{VERSION_PREFIX}{folder_digest(folder)[:VERSION_DIGITS]}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _flush(file: Path) -> None:
    """Write the file's bytes to disk, as needed before a rename."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
