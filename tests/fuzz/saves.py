"""Each kind of save, with contents that can be compared after it has failed."""

import hashlib
import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from two_tower.atomic import replace_file
from two_tower.datasets.arrow_batches import bind_batches
from two_tower.datasets.atomic_files import (
    AtomicJSONDataset,
    AtomicTextDataset,
    PlotDataset,
)
from two_tower.datasets.parquet_shards import ParquetShardsDataset
from two_tower.datasets.simulated_archive import SimulatedArchiveDataset
from two_tower.lineage.records import LineageStore, Record
from two_tower.simulation.archive_writer import Member
from two_tower.training.checkpoints import Checkpoint, CheckpointStore

Save = Callable[[Path, int], Any]
Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Case:
    """One kind of save.

    Attributes:
        save: saves the content number `i` in a folder.
        read: returns what a new process would load from the folder; None if nothing
            was saved. Equal contents have equal values.
    """

    save: Save
    read: Read


def dataset_case(
    make: Callable[[Path], Any],
    content: Callable[[int], Any],
    value: Callable[[Any], Any] = lambda loaded: loaded,
) -> Case:
    """Return the case of a dataset.

    Args:
        make: opens the dataset in a folder.
        content: data to save, by number.
        value: loaded data in a form that `==` compares.
    """

    def read(folder: Path) -> Any:
        dataset = make(folder)
        return value(dataset.load()) if dataset.exists() else None

    return Case(lambda folder, i: make(folder).save(content(i)), read)


def _table(i: int) -> pa.Table:
    return pa.table({"item": range(i, i + 5), "ids": [[i] * n for n in range(5)]})


def _rows(table: Any) -> list[dict[str, Any]]:
    return table.order_by("item").to_pyarrow().to_pylist()


def _members(i: int) -> list[Member]:
    chunks = [f"{i}::{n}\n".encode() * 5000 for n in range(3)]
    return [Member(f"ml/{name}", partial(iter, chunks)) for name in ("README", "data")]


def _figure(i: int) -> Any:
    import plotly.graph_objects as go

    return go.Figure(go.Scatter(y=[float(i), 1.0]))


def _bytes_of(members: list[Member]) -> dict[str, bytes]:
    return {one.name: b"".join(one.chunks()) for one in members}


def _save_text(folder: Path, i: int) -> None:
    with replace_file(folder / "deep" / "stats.json") as new:
        new.write_text(json.dumps({"rows": i}))


def _read_text(folder: Path) -> str | None:
    path = folder / "deep" / "stats.json"
    return path.read_text() if path.exists() else None


def _save_checkpoint(folder: Path, i: int) -> None:
    arrays = {"variables": [np.full((50, 40), i), np.arange(i)]}
    CheckpointStore(folder / "deep").save(Checkpoint("print", {"epoch": i}, arrays))


def _read_checkpoint(folder: Path) -> Any:
    found = CheckpointStore(folder / "deep").load("print")
    if found is None:
        return None
    return found.about, [array.tolist() for array in found.arrays["variables"]]


def _save_record(folder: Path, i: int) -> None:
    record = Record(
        fingerprint=f"{i:064x}",
        made_by="node",
        run=str(i),
        command="kedro run",
        parameters={},
        inputs={},
        ancestors={},
        content=None,
    )
    LineageStore(folder / "deep").write("metrics", record)


def _read_record(folder: Path) -> Record | None:
    return LineageStore(folder / "deep").find("metrics")


def _bind(_: Path, i: int) -> None:
    table, n_rows = bind_batches(
        ibis.duckdb.connect(), _table(i).schema, _table(i).to_batches()
    )
    if _rows(table) != _table(i).to_pylist() or n_rows != 5:
        raise AssertionError("the table has other rows")


@contextmanager
def _serving(content: bytes) -> Any:
    from tests.movielens.test_download import Server

    with Server() as server:
        server.files = {"/a.zip": content}
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def _download(folder: Path, i: int) -> None:
    from two_tower.movielens.download import download_release
    from two_tower.movielens.releases import RELEASES

    content = bytes([i]) * 200_000
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    with _serving(content) as url:
        release = replace(RELEASES["ml-1m"], url=url, md5=md5)
        download_release(release, folder / "deep" / "ml-1m.zip")


def _read_download(folder: Path) -> bytes | None:
    path = folder / "deep" / "ml-1m.zip"
    return path.read_bytes() if path.exists() else None


@cache
def _keras_model(i: int) -> Any:
    from tests.towers.build import make_towers, scatter_weights

    model = make_towers("mean")
    scatter_weights(model, seed=i)
    return model


def _open_keras_model(folder: Path) -> Any:
    from two_tower.datasets.keras_model import KerasModelDataset

    return KerasModelDataset(filepath=str(folder / "deep" / "two_tower.keras"))


def _weights(model: Any) -> list[Any]:
    return [weight.tolist() for weight in model.get_weights()]


@cache
def _query_tower(i: int) -> Any:
    from tests.serving.build import make_query_tower

    return make_query_tower(seed=i)


def _open_query_tower(folder: Path) -> Any:
    from two_tower.datasets.query_tower import QueryTowerDataset

    return QueryTowerDataset(filepath=str(folder / "deep" / "query_tower"))


def _tower_values(tower: Any) -> Any:
    return _weights(tower.towers), tower.average_query.tolist()


@cache
def _index_bundle(i: int) -> Any:
    from tests.index.fabricate import annoy_over, bundle_of, unit_vectors

    vectors = unit_vectors(60, seed=i)
    return bundle_of(vectors, index=annoy_over(vectors))


def _open_index_bundle(folder: Path) -> Any:
    from two_tower.datasets.index_bundle import IndexBundleDataset

    return IndexBundleDataset(filepath=str(folder / "deep" / "item_index"))


LIGHT = {
    "table": dataset_case(
        lambda folder: ParquetShardsDataset(
            filepath=str(folder / "deep" / "histories"), rows_per_shard=3
        ),
        _table,
        _rows,
    ),
    "JSON": dataset_case(
        lambda folder: AtomicJSONDataset(filepath=str(folder / "deep" / "a.json")),
        lambda i: {"hr@10": i, "rest": list(range(9000))},
    ),
    "text": dataset_case(
        lambda folder: AtomicTextDataset(filepath=str(folder / "deep" / "a.md")),
        lambda i: f"# {i}\n",
    ),
    "plot": dataset_case(
        lambda folder: PlotDataset(filepath=str(folder / "deep" / "a.json")), _figure
    ),
    "simulated archive": dataset_case(
        lambda folder: SimulatedArchiveDataset(filepath=str(folder / "deep" / "a.zip")),
        _members,
        _bytes_of,
    ),
    "index bundle": dataset_case(
        _open_index_bundle, _index_bundle, lambda bundle: bundle.vectors.tolist()
    ),
    "file": Case(_save_text, _read_text),
    "checkpoint": Case(_save_checkpoint, _read_checkpoint),
    "lineage record": Case(_save_record, _read_record),
    "temporary table": Case(_bind, lambda _: None),
    "download": Case(_download, _read_download),
}

KERAS = {
    "Keras model": dataset_case(_open_keras_model, _keras_model, _weights),
    "query tower": dataset_case(_open_query_tower, _query_tower, _tower_values),
}

CASES = LIGHT | KERAS
