"""Replacing files and folders in one step, so that no reader ever sees half a save.

One file is written beside its target and renamed over it. A folder can't be swapped by
one rename, so it holds its content in a version folder and a small file that names it:

    histories/
        _current             the name of the version in force, replaced last
        v-3f0c…/             the content, named by its hash

A name that starts with `_` is skipped by pandas, PyArrow and Spark, which can
therefore read such a folder of Parquet files without this project.
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
VERSION_DIGITS: Final = 16  # 64 bits of SHA-256: enough to tell a few versions apart


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; the file there takes the place of `path` at the end.

    When the block raises, `path` stays as it was and the new file is removed.

    Args:
        path: the file to create or replace; missing parent folders are made.

    Yields:
        A path of the same name in a scratch folder on the same file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".saving-{path.name}-") as scratch:
        new = Path(scratch, path.name)
        yield new
        _flush(new)
        new.replace(path)


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes the version of `folder` in force.

    When the block raises, the version in force stays. The one before is removed after
    the swap, so a lazy table on its files can't be read any more. Saving the content
    that is there already changes nothing on disk.

    Args:
        folder: holds the versions and the pointer; missing folders are made.

    Yields:
        An empty scratch folder on the same file system.
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
            if version.exists():  # of this name, but damaged
                version.rename(Path(scratch, "damaged"))
            new.rename(version)
        with replace_file(folder / POINTER) as pointer:
            pointer.write_text(version.name + "\n", encoding="utf-8")
    for other in folder.glob(f"{VERSION_PREFIX}*"):
        if other != version:
            shutil.rmtree(other)


def current_version(folder: Path) -> Path | None:
    """Return the version folder in force, or None where nothing was saved yet."""
    pointer = folder / POINTER
    if not pointer.is_file():
        return None
    return folder / pointer.read_text(encoding="utf-8").strip()


def is_intact(version: Path) -> bool:
    """Tell whether a version folder holds what it held when it was saved."""
    return _version_name(version) == version.name


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of all files of a folder, their names included."""
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
    """Have the file's bytes on disk before a rename makes them the ones in force."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
