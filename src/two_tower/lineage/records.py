"""Where every dataset came from: records on disk, and the check that inputs agree.

A dataset's fingerprint is made of what it was made from, never of its bytes: the node,
its parameters and the fingerprints of its inputs. Only a source, which no node makes,
is fingerprinted by its content.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fsspec

from two_tower.atomic import replace_file

READ_SIZE = 1 << 20
MAGIC = re.compile(r"[*?[]")  # begins what a pattern leaves open


@dataclass(frozen=True)
class Record:
    """What one dataset was made from; a fingerprint is 64 hexadecimal digits.

    Attributes:
        fingerprint: of the dataset.
        made_by: name of the node that made it.
        run: when the run began that made it, as Kedro writes versions.
        parameters: the node's `params:` inputs, name → plain value.
        inputs: the node's other inputs, name → fingerprint.
        ancestors: everything that the inputs came from, themselves included,
            name → fingerprint.
    """

    fingerprint: str
    made_by: str
    run: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    ancestors: dict[str, str]


class LineageStore:
    """The records of one data set's outputs, a JSON file for each in `folder`.

    Beside them lies a file for each output that is being written, or was left half
    written: `<name>.unfinished`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of the dataset `name`.

        Raises:
            ValueError: it has no record.
        """
        record = self.find(name)
        if record is None:
            raise ValueError(f"{name} has no record in {self._folder}; make it again")
        return record.fingerprint

    def find(self, name: str) -> Record | None:
        """Return the record of the dataset `name`, if there is one."""
        try:
            text = self._path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return Record(**json.loads(text))

    def write(self, name: str, record: Record) -> None:
        """Keep the record of the dataset `name`; an older one is replaced at once."""
        text = json.dumps(asdict(record), indent=2, sort_keys=True)
        with replace_file(self._path(name)) as new:
            new.write_text(text + "\n", encoding="utf-8")
        self._way_out(name).unlink(missing_ok=True)

    def forget(self, name: str, way_out: str) -> None:
        """Remove the record of the dataset `name`, as before it is written anew.

        Args:
            name: of the dataset.
            way_out: the command that makes it again, should this making be cut short.
        """
        with replace_file(self._way_out(name)) as new:
            new.write_text(way_out + "\n", encoding="utf-8")
        self._path(name).unlink(missing_ok=True)

    def find_way_out(self, name: str) -> str | None:
        """Return the command that makes a dataset again whose making was cut short."""
        try:
            return self._way_out(name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _way_out(self, name: str) -> Path:
        return self._folder / f"{name}.unfinished"


def fingerprint_output(
    node: str, output: str, parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """Return the fingerprint of what `node` makes of these parameters and inputs.

    Args:
        node: name of the node.
        output: name of the dataset it makes.
        parameters: name → value, of the types that JSON knows.
        inputs: name → fingerprint.
    """
    origin = [node, output, dict(parameters), dict(inputs)]
    text = json.dumps(origin, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_files(path: str) -> str:
    """Return the fingerprint of a file, or of all files of a folder or pattern.

    Args:
        path: of the local file system, or any address that fsspec knows; it may be a
            pattern with `*`, `?` or `[…]`.

    Raises:
        FileNotFoundError: there is no file.
    """
    system, root = fsspec.core.url_to_fs(path)
    files = system.find(root)
    if not files and (magic := MAGIC.search(root)):
        # A pattern may match folders, and with `**` what is in them once more.
        files = {file for match in system.glob(root) for file in system.find(match)}
        root = root[: magic.start()].rpartition("/")[0]
    if not files:
        raise FileNotFoundError(f"there is no file at {path}")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.removeprefix(root).encode() + b"\0")
        with system.open(file, "rb") as stream:
            while block := stream.read(READ_SIZE):
                digest.update(block)
    return digest.hexdigest()


def gather_ancestors(origins: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return all that the inputs came from, name → fingerprint.

    Args:
        origins: for each input, itself and its ancestors, name → fingerprint; they
            agree with each other, see `find_disagreements`.
    """
    return {name: found for origin in origins for name, found in origin.items()}


def find_disagreements(
    origins: Mapping[str, Mapping[str, str]],
) -> dict[str, list[list[str]]]:
    """Return the ancestors of which the inputs hold different makes.

    Args:
        origins: input → itself and its ancestors, name → fingerprint.

    Returns:
        Ancestor → the inputs that came from it, those of one make together; empty
        if the inputs agree.
    """
    makes: dict[str, dict[str, list[str]]] = {}
    for name, origin in origins.items():
        for ancestor, found in origin.items():
            makes.setdefault(ancestor, {}).setdefault(found, []).append(name)
    return {
        ancestor: list(groups.values())
        for ancestor, groups in makes.items()
        if len(groups) > 1
    }


def describe_disagreement(ancestor: str, groups: list[list[str]]) -> str:
    """Say of which inputs one was made from another make of `ancestor`.

    Args:
        ancestor: one that `find_disagreements` found.
        groups: the inputs that came from it, those of one make together.
    """
    first, second = (group[0] for group in groups[:2])
    direct = [group for group in groups if ancestor in group]
    if direct:
        (stale, *_) = next(group for group in groups if group not in direct)
        return f"{stale} was made from another {ancestor} than the present one"
    return f"{first} and {second} were made from different {ancestor}"


def find_roots(names: Iterable[str], store: LineageStore) -> list[str]:
    """Return those datasets that came from no other one of them, in order of name."""
    among = set(names)
    records = {name: store.find(name) for name in among}
    return sorted(
        name
        for name, record in records.items()
        if record is None or not among & record.ancestors.keys()
    )
