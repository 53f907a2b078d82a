"""An index bundle as a folder of files: written whole, checked when it is read.

`about.json` holds in words what the bundle says of itself, the size of the other files
and each one's SHA-256: `vectors.npy` (`[N, D]` float32, mapped into memory when read),
`item_ids.arrow`, `golden_queries.npy`, `golden_positions.npy`, `golden_scores.npy`, and
what the back end adds (Annoy its `trees.ann`, exact search nothing).
"""

import json
import logging
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from two_tower.atomic import file_sha256
from two_tower.index.annoy import AnnoyTrees
from two_tower.index.base import Index, SearchResult
from two_tower.index.bundle import (
    GoldenQueries,
    IndexBundle,
    Recall,
    replay_golden_queries,
)
from two_tower.index.exact import ExactIndex
from two_tower.types import JsonObject

logger = logging.getLogger(__name__)

FORMAT: Final = 1
"""Of the folder; raised when an older reader would misread a newer folder."""

ABOUT: Final = "about.json"
VECTORS: Final = "vectors.npy"
ITEM_IDS: Final = "item_ids.arrow"
GOLDEN_QUERIES: Final = "golden_queries.npy"
GOLDEN_POSITIONS: Final = "golden_positions.npy"
GOLDEN_SCORES: Final = "golden_scores.npy"

INDEXES: Final[dict[str, type[Index]]] = {
    index.backend: index for index in (AnnoyTrees, ExactIndex)
}


def write_bundle(bundle: IndexBundle, folder: Path) -> None:
    """Write a bundle into an empty folder, the same bytes for the same bundle."""
    np.save(folder / VECTORS, bundle.vectors)
    np.save(folder / GOLDEN_QUERIES, bundle.golden.queries)
    np.save(folder / GOLDEN_POSITIONS, bundle.golden.found.indices)
    np.save(folder / GOLDEN_SCORES, bundle.golden.found.scores)
    _write_ids(bundle.item_ids, folder / ITEM_IDS)
    bundle.index.save(folder)
    paths = sorted(folder.iterdir())
    on_disk = {
        "bytes": sum(path.stat().st_size for path in paths),
        "files": {path.name: file_sha256(path) for path in paths},
    }
    text = json.dumps(describe_bundle(bundle) | on_disk, indent=2)
    (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


def describe_bundle(bundle: IndexBundle) -> JsonObject:
    """Return what a bundle says of itself, as JSON."""
    package = bundle.index.library
    library = package and {"name": package, "version": version(package)}
    return {
        "format": FORMAT,
        "backend": bundle.index.backend,
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
    """Return what the bundle in the folder says of itself.

    Raises:
        ValueError: if the folder holds no bundle, or one of another format.
    """
    path = folder / ABOUT
    try:
        about = json.loads(path.read_bytes())
        found = about["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is missing or damaged; {_REBUILD}") from error
    if found != FORMAT:
        raise ValueError(
            f"{folder} is an index bundle of format {found}; this version reads format "
            f"{FORMAT}: {_REBUILD}"
        )
    return dict(about)


def read_bundle(folder: Path) -> IndexBundle:
    """Return the bundle in the folder after checking all of it.

    Every file's hash, the library's version, the sizes and the metric are compared
    with what was written down, and the golden queries are asked again. The vectors
    are mapped into memory, so the folder must stay while the bundle is used.

    Raises:
        ValueError: saying what doesn't match and what to do.
    """
    about = read_about(folder)
    try:
        _require_library(about["library"])
        _require_hashes(folder, about["files"])
        bundle = _open_bundle(folder, about)
    except (KeyError, TypeError, pa.ArrowInvalid) as error:
        raise ValueError(f"{folder} is no whole index bundle; {_REBUILD}") from error
    for name in ("n_items", "dimension", "item_id_type"):
        found = describe_bundle(bundle)[name]
        if found != about[name]:
            raise ValueError(
                f"{folder} has {name} {found}, but {ABOUT} says {about[name]}; "
                f"{_REBUILD}"
            )
    replay_golden_queries(bundle)
    return bundle


def _open_bundle(folder: Path, about: JsonObject) -> IndexBundle:
    if about["backend"] not in INDEXES:
        raise ValueError(
            f"{folder} was built with the back end {about['backend']!r}; "
            f"known are {', '.join(sorted(INDEXES))}"
        )
    vectors = np.load(folder / VECTORS, mmap_mode="r")
    found = SearchResult(
        np.load(folder / GOLDEN_POSITIONS), np.load(folder / GOLDEN_SCORES)
    )
    return IndexBundle(
        index=INDEXES[about["backend"]].open(folder, vectors, about["parameters"]),
        item_ids=_read_ids(folder / ITEM_IDS),
        vectors=vectors,
        recall=Recall(**about["recall"]),
        golden=GoldenQueries(np.load(folder / GOLDEN_QUERIES), found),
        seed=about["seed"],
        fingerprints=about["fingerprints"],
        metric=about["metric"],
    )


def _require_library(library: dict[str, str] | None) -> None:
    """Refuse a file that the installed library may read otherwise.

    A library keeps its format within `major.minor`; the golden queries then show that
    it did.
    """
    if library is None:
        return
    name, built = library["name"], library["version"]
    installed = version(name)
    if built.split(".")[:2] != installed.split(".")[:2]:
        raise ValueError(
            f"the index was built with {name} {built}, but {name} {installed} is "
            f"installed, which may read it otherwise; install {name} {built}, or "
            f"{_REBUILD}"
        )
    if built != installed:
        logger.warning("index built with %s %s, read with %s", name, built, installed)


def _require_hashes(folder: Path, files: dict[str, str]) -> None:
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path} is missing; {_REBUILD}")
        if file_sha256(path) != expected:
            raise ValueError(
                f"{path} is damaged: its SHA-256 is not the one in {ABOUT}; {_REBUILD}"
            )


def _write_ids(item_ids: pa.Array, path: Path) -> None:
    table = pa.table({"item_id": item_ids})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table)


def _read_ids(path: Path) -> pa.Array:
    with pa.ipc.open_file(str(path)) as file:
        return file.read_all().column("item_id").combine_chunks()


_REBUILD: Final = "run the indexing pipeline again"
