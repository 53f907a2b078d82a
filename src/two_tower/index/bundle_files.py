"""Files of an index bundle: written as a whole, checked when they are read.

`about.json` describes the bundle, with the size and the SHA-256 of the other files:
`vectors.npy` (`[N, D]` float32, memory-mapped when read), `item_ids.arrow`,
`golden_queries.npy`, `golden_positions.npy` (item rows), `golden_scores.npy`, and
the file of the back end (Annoy: `trees.ann`; exact search: none).
"""

import json
import logging
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from two_tower.hashes import file_sha256
from two_tower.index.base import SearchResult
from two_tower.index.bundle import (
    GoldenQueries,
    IndexBundle,
    Recall,
    replay_golden_queries,
)
from two_tower.index.registry import open_index
from two_tower.types import JsonObject

logger = logging.getLogger(__name__)

FORMAT: Final = 1
"""Version of the folder's format, raised when older code would misread a new folder."""

ABOUT: Final = "about.json"
VECTORS: Final = "vectors.npy"
ITEM_IDS: Final = "item_ids.arrow"
GOLDEN_QUERIES: Final = "golden_queries.npy"
GOLDEN_INDICES: Final = "golden_positions.npy"
GOLDEN_SCORES: Final = "golden_scores.npy"

REBUILD: Final = "run: kedro run --pipelines indexing"


def write_bundle(bundle: IndexBundle, folder: Path) -> None:
    """Write a bundle into an empty folder; equal bundles give equal bytes."""
    write_array(folder / VECTORS, bundle.vectors)
    write_array(folder / GOLDEN_QUERIES, bundle.golden.queries)
    write_array(folder / GOLDEN_INDICES, bundle.golden.found.indices)
    write_array(folder / GOLDEN_SCORES, bundle.golden.found.scores)
    _write_ids(bundle.item_ids, folder / ITEM_IDS)
    bundle.index.save(folder)
    paths = sorted(folder.iterdir())
    on_disk = {
        "bytes": sum(path.stat().st_size for path in paths),
        "files": {path.name: file_sha256(path) for path in paths},
    }
    text = json.dumps(describe_bundle(bundle) | on_disk, indent=2)
    (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


def write_array(path: Path, array: np.ndarray) -> None:
    """Save an array as a `.npy` file, with errors that say what the disk refused.

    NumPy writes to a file of Python's past Python, and its error says only how many
    values are missing.
    """
    with path.open("wb") as file:
        stream: Any = SimpleNamespace(write=file.write)
        np.save(stream, array)


def describe_bundle(bundle: IndexBundle) -> JsonObject:
    """Return the description of a bundle that `about.json` keeps."""
    package = bundle.index.library
    library = package and {"name": package, "version": version(package)}
    return {
        "format": FORMAT,
        "backend": bundle.backend,
        "metric": bundle.metric,
        "n_items": bundle.n_items,
        "dimension": bundle.dimension,
        "item_id_type": str(bundle.item_ids.type),
        "parameters": bundle.index.parameters,
        "seed": bundle.seed,
        "recall": asdict(bundle.recall),
        "library": library,
        "fingerprints": bundle.fingerprints,
    }


def read_about(folder: Path) -> JsonObject:
    """Return the description of the bundle in a folder.

    Raises:
        ValueError: if the folder holds no bundle, or one of another format.
    """
    path = folder / ABOUT
    try:
        about = json.loads(path.read_bytes())
        found = about["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is missing or damaged; {REBUILD}") from error
    if found != FORMAT:
        raise ValueError(
            f"{folder} is an index bundle of format {found}; this version reads format "
            f"{FORMAT}: {REBUILD}"
        )
    return dict(about)


def list_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file as saved, and of the description as it is.

    Raises:
        ValueError: as `read_about`.
    """
    return {ABOUT: file_sha256(folder / ABOUT), **read_about(folder)["files"]}


def read_bundle(folder: Path) -> IndexBundle:
    """Return the bundle in a folder after checking all of it.

    Checks the hash of each file, the version of the library, the sizes and the metric,
    and replays the golden queries. The vectors are memory-mapped, so the folder must
    stay while the bundle is in use.

    Raises:
        ValueError: naming what doesn't match, and how to rebuild the index.
    """
    about = read_about(folder)
    try:
        _require_library(about["library"])
        _require_hashes(folder, about["files"])
        bundle = _open_bundle(folder, about)
    except (KeyError, TypeError, AttributeError, pa.ArrowInvalid) as error:
        raise ValueError(
            f"{folder} is not a complete index bundle; {REBUILD}"
        ) from error
    for name in ("n_items", "dimension", "item_id_type"):
        found = describe_bundle(bundle)[name]
        if found != about[name]:
            raise ValueError(
                f"{folder} has {name} {found}, but {ABOUT} says {about[name]}; "
                f"{REBUILD}"
            )
    replay_golden_queries(bundle)
    return bundle


def _open_bundle(folder: Path, about: JsonObject) -> IndexBundle:
    kind = about["backend"]
    vectors = np.load(folder / VECTORS, mmap_mode="r")
    found = SearchResult(
        np.load(folder / GOLDEN_INDICES), np.load(folder / GOLDEN_SCORES)
    )
    return IndexBundle(
        backend=kind,
        index=open_index(kind, folder, vectors, about["parameters"]),
        item_ids=_read_ids(folder / ITEM_IDS),
        vectors=vectors,
        recall=Recall(**about["recall"]),
        golden=GoldenQueries(np.load(folder / GOLDEN_QUERIES), found),
        seed=about["seed"],
        fingerprints=about["fingerprints"],
        metric=about["metric"],
    )


def _require_library(library: dict[str, str] | None) -> None:
    """Raise an error if the installed library may misread the index file.

    A library keeps its file format within `major.minor`; the golden queries check it.
    """
    if library is None:
        return
    name, built = library["name"], library["version"]
    installed = version(name)
    if built.split(".")[:2] != installed.split(".")[:2]:
        raise ValueError(
            f"the index was built with {name} {built}, but {name} {installed} is "
            f"installed, which may misread it; install {name} {built}, or "
            f"{REBUILD}"
        )
    if built != installed:
        logger.warning("index built with %s %s, read with %s", name, built, installed)


def _require_hashes(folder: Path, files: dict[str, str]) -> None:
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path} is missing; {REBUILD}")
        if file_sha256(path) != expected:
            raise ValueError(
                f"{path} is damaged: its SHA-256 is not the one in {ABOUT}; {REBUILD}"
            )


def _write_ids(item_ids: pa.Array, path: Path) -> None:
    table = pa.table({"item_id": item_ids})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table)


def _read_ids(path: Path) -> pa.Array:
    with pa.ipc.open_file(str(path)) as file:
        return file.read_all().column("item_id").combine_chunks()
