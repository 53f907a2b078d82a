"""The content of each kind of dataset, in a form that is compared."""

from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from kedro.io import DataCatalog

from two_tower.index.bundle import IndexBundle
from two_tower.lineage.commands import Command
from two_tower.lineage.origins import Origins
from two_tower.lineage.records import LineageStore
from two_tower.simulation.archive_writer import Member
from two_tower.training.checkpoints import Checkpoint, CheckpointStore

CHECKPOINT = Checkpoint(
    "of the data and parameters",
    {"history": [{"epoch": 1}]},
    {"variables": [np.arange(40.0).reshape(8, 5), np.float32([1, 2])]},
)


def content_of(catalog: DataCatalog, name: str) -> str:
    """Return a digest of what a dataset loads, read to its end.

    Raises:
        Exception: whatever the dataset raises.
    """
    value = catalog[name].load()
    if isinstance(value, LineageStore):
        origins = Origins(catalog, Command())  # as a run asks for its inputs
        value = [origins.record(one) for one in _recorded()]
    if isinstance(value, CheckpointStore):
        # Without a checkpoint, training ends alike from its first epoch.
        value = value.load(CHECKPOINT.fingerprint) or CHECKPOINT
    return sha256(repr(_plain(value)).encode()).hexdigest()


def save_checkpoint(catalog: DataCatalog) -> None:
    """Save a checkpoint, since a finished training leaves none."""
    catalog["params:training_checkpoints"].load().save(CHECKPOINT)


def _recorded() -> list[str]:
    """Return the datasets that a whole run makes and records."""
    from kedro.framework.project import pipelines

    return sorted(pipelines["__default__"].all_outputs())


def _plain(value: Any) -> Any:  # noqa: PLR0911 - a line for each type
    """Return the value as lists, texts and numbers."""
    if isinstance(value, ir.Table):
        value = value.to_pyarrow()
    if isinstance(value, (pa.Table, pa.Array, np.ndarray)):
        return str(getattr(value, "schema", "")), _plain(_as_python(value))
    if isinstance(value, Member):
        return value.name, b"".join(value.chunks())
    if isinstance(value, IndexBundle):
        found = value.index.search(np.asarray(value.vectors[:20]), 10)
        rest = {one.name: getattr(value, one.name) for one in fields(value)}
        return _plain({**rest, "index": found})
    if hasattr(value, "get_weights"):
        return repr(value.get_config()), [_plain(one) for one in value.get_weights()]
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if hasattr(value, "to_plotly_json"):
        return value.to_json(engine="json")
    if is_dataclass(value):
        return [(one.name, _plain(getattr(value, one.name))) for one in fields(value)]
    if isinstance(value, dict):
        return [(name, _plain(one)) for name, one in value.items()]
    return value


def _as_python(value: Any) -> Any:
    if isinstance(value, pa.Table):
        return value.combine_chunks().to_pydict()
    return value.tolist()
