"""Contents of a project's outputs, to compare what runs have made."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

TIMES: Final = {
    "seconds",
    "examples_per_second",
    "validation_seconds",
    "queries_per_second",
    "run",
    "digest",
}
"""Keys of JSON files that differ between equal runs."""

OF_RUNS: Final = ("run_record.json", ".lock", ".sha256")
"""Names in the paths of files that say something of runs, not of data."""


def contents(data: Path) -> dict[str, str]:
    """Return the digest of each file below a data folder, without what runs differ in.

    Args:
        data: the folder; raw data are left out.

    Returns:
        Path below the folder → digest. Folders of versions count as their current one.
    """
    files = (file for file in sorted(data.rglob("*")) if file.is_file())
    found = {}
    for file in files:
        name = file.relative_to(data).as_posix()
        if not name.startswith("01_raw/") and not any(part in name for part in OF_RUNS):
            parts = ["v" if p.startswith("v-") else p for p in Path(name).parts]
            found["/".join(parts)] = _digest(file)
    return found


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Return the paths whose contents differ, sorted."""
    return sorted(name for name in one | other if one.get(name) != other.get(name))


def scratch(data: Path) -> list[str]:
    """Return what a killed process has left below a data folder."""
    paths = (path.relative_to(data).as_posix() for path in data.rglob("*"))
    return sorted(path for path in paths if ".saving" in path or ".tmp" in path)


def _digest(file: Path) -> str:
    content = file.read_bytes()
    if file.suffix == ".keras":
        return _hash(_weights(content))
    if file.suffix == ".json":
        try:
            content = json.dumps(_without_times(json.loads(content))).encode()
        except ValueError:
            return f"not JSON: {_hash(content)}"
    if file.name == "_current":  # it names the hash of files with times in them
        return "pointer"
    return _hash(content)


def _weights(content: bytes) -> bytes:
    """Return the weights of a Keras archive, whose files hold times."""
    import h5py

    parts = []
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights,
    ):

        def visit(name: str, value: Any) -> None:
            if isinstance(value, h5py.Dataset):
                parts.append(name.encode() + value[()].tobytes())

        weights.visititems(visit)
        return archive.read("config.json") + b"".join(sorted(parts))


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in TIMES}
    if isinstance(value, list):
        return [_without_times(one) for one in value]
    return value


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
