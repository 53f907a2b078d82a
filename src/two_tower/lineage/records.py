"""Lineage records on disk, fingerprints, and the check that a node's inputs agree.

The fingerprint of a node's output hashes its origin, not its bytes: the node, its
parameters and the fingerprints of its inputs. The fingerprint of a source, which no
node makes, hashes its content. A record also keeps a digest of the bytes that were
saved, by which a dataset that was replaced by hand is noticed.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import fsspec

from two_tower.hashes import DamagedError
from two_tower.lineage.sealed import read_sealed, write_sealed

_BLOCK_BYTES: Final = 1 << 20
_WILDCARD: Final = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Record:
    """Origin of one dataset; a fingerprint has 64 hexadecimal digits.

    Attributes:
        fingerprint: fingerprint of the dataset.
        made_by: name of the node that made it.
        run: start time of the run that made it, in Kedro's format of versions.
        parameters: the node's `params:` inputs, name → plain value.
        inputs: the node's other inputs, name → fingerprint.
        ancestors: the inputs and all their ancestors, name → fingerprint.
        command: command of that run, without the choice of pipelines and nodes.
        content: digest of the dataset as it was saved; None for a dataset without a
            file.
    """

    fingerprint: str
    made_by: str
    run: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    ancestors: dict[str, str]
    command: str
    content: str | None


class LineageStore:
    """Lineage records of one data set's outputs: one JSON file each, in a folder.

    While an output is being written, `<name>.unfinished` takes the place of its record
    and holds the recovery command.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of the dataset `name`.

        Raises:
            ValueError: the dataset has no record.
        """
        record = self.find(name)
        if record is None:
            raise ValueError(
                f"{name} has no lineage record in {self._folder}; "
                "run the pipeline that makes it"
            )
        return record.fingerprint

    def find(self, name: str) -> Record | None:
        """Return the record of the dataset `name`, or None.

        Raises:
            DamagedError: the record can't be read.
        """
        content = read_sealed(self._path(name))
        return None if content is None else Record(**content)

    def find_intact(self, name: str) -> Record | None:
        """Return the record of the dataset `name`; None if it can't be read either."""
        try:
            return self.find(name)
        except DamagedError:
            return None

    def write(self, name: str, record: Record) -> None:
        """Save the record of the dataset `name`, in place of an older one."""
        write_sealed(self._path(name), asdict(record))
        self._unfinished(name).unlink(missing_ok=True)

    def mark_unfinished(self, name: str, recovery_command: str) -> None:
        """Remove the record of the dataset `name` before the dataset is saved.

        Args:
            name: name of the dataset.
            recovery_command: command that makes the dataset, should the save fail.
        """
        write_sealed(self._unfinished(name), {"command": recovery_command})
        self._path(name).unlink(missing_ok=True)

    def find_recovery_command(self, name: str) -> str | None:
        """Return the command that makes an unfinished dataset, or None.

        Raises:
            DamagedError: the command can't be read.
        """
        content = read_sealed(self._unfinished(name))
        return None if content is None else str(content["command"])

    def is_unfinished(self, name: str) -> bool:
        """Return whether a save of the dataset `name` was begun and not finished."""
        return self._unfinished(name).exists()

    @property
    def lock_path(self) -> Path:
        """File whose lock a run has while it writes the data set's outputs."""
        return self._folder.with_name(f"{self._folder.name}.lock")

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _unfinished(self, name: str) -> Path:
        return self._folder / f"{name}.unfinished"


def fingerprint_output(
    node: str, output: str, parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """Return the fingerprint of a node's output.

    Args:
        node: name of the node.
        output: name of the dataset it makes.
        parameters: name → value of JSON's types.
        inputs: name → fingerprint.
    """
    origin = [node, output, dict(parameters), dict(inputs)]
    text = json.dumps(origin, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_files(path: str) -> str:
    """Return the fingerprint of a file, or of all files in a folder or of a pattern.

    Args:
        path: local path or any address of fsspec, with or without `*`, `?` or `[…]`.

    Raises:
        FileNotFoundError: there is no file.
    """
    system, root = fsspec.core.url_to_fs(path)
    files = system.find(root)
    if not files and (wildcard := _WILDCARD.search(root)):
        # A pattern may match folders, and `**` also matches the files in them.
        files = {file for match in system.glob(root) for file in system.find(match)}
        root = root[: wildcard.start()].rpartition("/")[0]
    if not files:
        raise FileNotFoundError(f"there is no file at {path}")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.removeprefix(root).encode() + b"\0")
        with system.open(file, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def merge_origins(origins: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return all ancestors of a node's inputs, name → fingerprint.

    Args:
        origins: per input, the input and its ancestors, name → fingerprint; without
            conflicts, see `find_conflicts`.
    """
    return {name: found for origin in origins for name, found in origin.items()}


def find_conflicts(
    origins: Mapping[str, Mapping[str, str]],
) -> dict[str, list[list[str]]]:
    """Return the ancestors that a node's inputs have in different versions.

    Args:
        origins: input → the input and its ancestors, name → fingerprint.

    Returns:
        Ancestor → its descendants among the inputs, one list per version; empty if
        the inputs agree.
    """
    versions: dict[str, dict[str, list[str]]] = {}
    for name, origin in origins.items():
        for ancestor, found in origin.items():
            versions.setdefault(ancestor, {}).setdefault(found, []).append(name)
    return {
        ancestor: list(groups.values())
        for ancestor, groups in versions.items()
        if len(groups) > 1
    }


def describe_conflict(ancestor: str, groups: list[list[str]]) -> str:
    """Return a message that names two inputs with different versions of `ancestor`.

    Args:
        ancestor: one of the keys of `find_conflicts`.
        groups: its descendants among the inputs, one list per version.
    """
    first, second = (group[0] for group in groups[:2])
    current = [group for group in groups if ancestor in group]
    if current:
        (stale, *_) = next(group for group in groups if group not in current)
        return f"{stale} was made from another version of {ancestor}"
    return f"{first} and {second} were made from different versions of {ancestor}"


def find_roots(names: Iterable[str], store: LineageStore) -> list[str]:
    """Return the datasets that have no ancestor among the others, sorted by name."""
    candidates = set(names)
    records = {name: store.find_intact(name) for name in candidates}
    return sorted(
        name
        for name, record in records.items()
        if record is None or not candidates & record.ancestors.keys()
    )
