"""The project's own parameters made small, and tables that are quickly learned."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from tests.fitting.tiny import cut, walks
from two_tower.lineage import LineageStore, Record
from two_tower.pipelines.training.nodes import LEARNS_FROM, train_two_tower
from two_tower.pipelines.training.params import Training
from two_tower.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).parents[3] / "conf"
INT_LISTS = pa.list_(pa.int32())

SMALL = {
    "backend": os.environ["KERAS_BACKEND"],
    "device": "cpu",
    "epochs": 2,
    "dimension": 16,
    "towers": {
        "mean": {"hidden_units": [16, 16], "dropout": 0.0},
        "transformer": {"n_blocks": 1, "dropout": 0.0},
    },
    "optimizer": {"learning_rate": 0.02},
    "batches": {"slots": 64, "buckets": [4, 8], "chunk": 32},
    "validation": {"cutoffs": [1, 10]},
}


@cache
def _configured(preset: str) -> dict[str, Any]:
    return training_in_conf(preset=preset)


def training_in_conf(**runtime_params: Any) -> dict[str, Any]:
    """Return `params:training` as Kedro's loader puts it together."""
    loader = OmegaConfigLoader(
        str(CONF), env="base", runtime_params=runtime_params, **CONFIG_LOADER_ARGS
    )
    return loader["parameters"]["training"]


def parameters(*changes: dict[str, Any], preset="mean") -> Training:
    """Return the small parameters of a preset, with changes merged softly."""
    merged = OmegaConf.merge(_configured(preset), SMALL, *changes)
    return Training.model_validate(OmegaConf.to_container(merged))


N_ITEMS = 42  # forty real items
FEATURE_SCHEMA = {
    "n_items": N_ITEMS,
    "item": {
        "genres": {"kind": "multi_valued", "size": 6},
        "year": {"kind": "categorical", "size": 5},
        "length": {"kind": "dense"},
    },
}


def item_features() -> pa.Table:
    """Return made-up features of the forty items, not in order."""
    items = np.arange(2, N_ITEMS, dtype=np.int32)[::-1]
    return pa.table(
        {
            "item": items,
            "genres": pa.array([[2 + i % 4] * (i % 3) for i in items], INT_LISTS),
            "year": pa.array(items % 5, pa.int32()),
            "length": pa.array(items / 40, pa.float32()),
        }
    )


def train_sequences(histories) -> pa.Table:
    sequences = cut(histories, SMALL["batches"]["buckets"][-1])
    n_rows = len(sequences.items)
    # One user per window: which windows share a user does not matter to training.
    return pa.table(
        {
            "user": pa.array(range(2, n_rows + 2), pa.int32()),
            "window": pa.array((~sequences.is_first).astype(np.int32)),
            "items": lists(sequences.items),
            "targets": lists(sequences.targets),
        }
    )


def lists(ragged) -> pa.ListArray:
    offsets = pa.array(ragged.offsets, pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(ragged.values, pa.int32()))


def validation_examples(histories) -> pa.Table:
    return pa.table(
        {
            "user": pa.array(range(2, len(histories) + 2), pa.int32()),
            "items": pa.array([history[:-1] for history in histories], INT_LISTS),
            "targets": pa.array([history[-1:] for history in histories], INT_LISTS),
        }
    )


def lineage_in(folder: Path, **fingerprints: str) -> LineageStore:
    store = LineageStore(folder)
    for name in LEARNS_FROM:
        found = fingerprints.get(name, f"print of {name}")
        store.write(name, Record(found, "node", "run", {}, {}, {}))
    return store


def train(folder: Path, parameters: Training, *, histories=None, held_out=(), **inputs):
    """Call the training node on histories in which each item leads to the next."""
    histories = walks(80, N_ITEMS, seed=5) if histories is None else histories
    tables = {
        "train_sequences": ibis.memtable(train_sequences(histories)),
        "validation_examples": ibis.memtable(validation_examples(list(held_out))),
        "item_features": ibis.memtable(item_features()),
    }
    return train_two_tower(
        **tables,
        feature_schema=FEATURE_SCHEMA,
        leakage_audit={"passed": True, "checks": []},
        training_checkpoints=inputs["store"],
        lineage=lineage_in(folder),
        parameters=parameters,
    )
