"""Loads of saved content: checked by its hash, and named in whatever goes wrong."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from kedro.io import DatasetError

from two_tower.atomic import current_version, is_intact
from two_tower.hashes import DamagedError, check_file, file_sha256, files_below

ListHashes: TypeAlias = Callable[[Path], dict[str, str]]
"""From a version folder to the hashes that one of its files lists: name → SHA-256."""


def recovery(path: Path, metadata: Mapping[str, Any] | None) -> str:
    """Return the end of a message about a damaged dataset: how it is made again.

    Args:
        path: the file or folder of the dataset. By convention its name, without the
            extension, is the name of the dataset.
        metadata: of the catalog entry; its `recovery` is the command for a dataset
            with another name, or one that the default pipeline doesn't make.
    """
    command = f"kedro run --to-outputs {path.name.split('.')[0]}"
    command = (metadata or {}).get("recovery", command)
    return f"run, with its --env: {command}"


@contextmanager
def checked_file(path: Path, remedy: str) -> Iterator[None]:
    """Check the hash of a file before a block reads it.

    Args:
        path: the file.
        remedy: end of the messages, see `recovery`.

    Raises:
        DatasetError: the file is missing or damaged, or the block can't read it.
    """
    try:
        check_file(path)
        yield
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing; {remedy}") from error
    except DamagedError as error:
        raise DatasetError(f"{error}; {remedy}") from error
    except Exception as error:  # a reader of an unchecked file may raise anything
        kind = type(error).__name__
        raise DatasetError(
            f"{path} can't be read ({kind}: {error}); {remedy}"
        ) from error


def find_version(folder: Path, remedy: str) -> Path:
    """Return the folder of the current version; its content is not checked.

    Args:
        folder: of the versions.
        remedy: end of the messages, see `recovery`.

    Raises:
        DatasetError: nothing was saved there, or the pointer is damaged.
    """
    try:
        version = current_version(folder)
    except DamagedError as error:
        raise DatasetError(f"{error}; {remedy}") from error
    if version is None:
        raise DatasetError(f"nothing is saved at {folder}; {remedy}")
    return version


def find_intact_version(
    folder: Path, remedy: str, list_hashes: ListHashes | None = None
) -> Path:
    """Return the folder of the current version after checking its files' hashes.

    Args:
        folder: of the versions.
        remedy: end of the messages, see `recovery`.
        list_hashes: reads the hashes that name the damaged file; None: the message
            names the folder alone.

    Raises:
        DatasetError: nothing was saved there; a file was changed, removed or added.
    """
    version = find_version(folder, remedy)
    if not is_intact(version):
        raise DatasetError(f"{_describe_damage(version, list_hashes)}; {remedy}")
    return version


def _describe_damage(version: Path, list_hashes: ListHashes | None) -> str:
    unnamed = f"{version} is damaged: its files are not those that were saved"
    if list_hashes is None:
        return unnamed
    try:
        listed = list_hashes(version)
    except Exception:  # noqa: BLE001 - the list itself is damaged
        return unnamed
    found = {file.relative_to(version).as_posix() for file in files_below(version)}
    for name in sorted(listed.keys() | found):
        if name not in found:
            return f"{version / name} is missing"
        if name not in listed:
            return f"{version / name} was added to what was saved; remove it"
        if file_sha256(version / name) != listed[name]:
            return f"{version / name} was changed since it was saved"
    return unnamed
