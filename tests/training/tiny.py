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

from tests.training.fit_tiny import cut, walks
from two_tower.lineage.records import LineageStore, Record
from two_tower.params import Seen
from two_tower.pipelines.training.nodes import TRAINING_INPUTS, train_two_tower
from two_tower.ragged import Ragged
from two_tower.settings import CONFIG_LOADER_ARGS
from two_tower.training.inputs import ModelInputs, read_inputs
from two_tower.training.params import Training

CONF = Path(__file__).parents[2] / "conf"
INT_LISTS = pa.list_(pa.int32())
DAY, FIRST_DAY = 86_400, 1_000_000_000

SMALL = {
    "backend": os.environ["KERAS_BACKEND"],
    "device": "cpu",
    "epochs": 2,
    "dimension": 16,
    "history": {
        "mean": {"hidden_units": [16, 16], "dropout": 0.0},
        "transformer": {
            "n_blocks": 1,
            "n_heads": 1,
            "absolute_position": True,
            "relative_position": False,
            "relative_time": False,
            "time_gap": False,
            "dropout": {"input": 0.0, "attention": 0.0, "branch": 0.0, "times": 0.0},
        },
        "multi_interest": {
            "max_items": 8,
            "n_heads": 4,
            "n_vectors": 2,
            "category": ["genres", "year"],
        },
    },
    "optimizer": {"learning_rate": 0.02},
    "batches": {
        "tokens_per_batch": 64,
        "bucket_boundaries": [4, 8],
        "pairs": 48,
        "logits_chunk": 32,
    },
    "negatives": {
        "in_batch": {"block": 16},
        "uniform": {"per_positive": 3},
        "popular": {"per_positive": 3},
        "queue": {"size": 200},
        "mixed": {"count": 16, "block": 16},
    },
    "log_q": {"streaming": {"buckets": 512}},
    "self_supervision": {"items": 16},
    "validation": {"cutoffs": [1, 10], "tokens_per_batch": 64},
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
N_USERS = 202
FEATURE_SCHEMA = {
    "n_items": N_ITEMS,
    "n_users": N_USERS,
    "user": {"gender": {"kind": "categorical", "size": 4}},
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
    sequences = cut(histories, SMALL["batches"]["bucket_boundaries"][-1])
    events = sequences.events
    return pa.table(
        {
            "user": sequences.users,
            "window": pa.array((~sequences.is_first).astype(np.int32)),
            "items": lists(sequences.items),
            "targets": lists(sequences.targets),
            "timestamps": beside(sequences.items, events.timestamps),
            "ratings": beside(sequences.items, events.ratings),
            "target_timestamps": beside(sequences.targets, events.target_timestamps),
        }
    )


def lists(ragged) -> pa.ListArray:
    offsets = pa.array(ragged.offsets, pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(ragged.values, pa.int32()))


def beside(ragged, values) -> pa.ListArray:
    """Return values of a list's items as lists of the same lengths, NaN as null."""
    offsets = pa.array(ragged.offsets, pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values, from_pandas=True))


def seconds(ragged) -> pa.ListArray:
    """Return times one day apart."""
    place = np.arange(len(ragged.values)) - ragged.offsets[ragged.rows]
    return beside(ragged, FIRST_DAY + DAY * place)


def validation_examples(histories) -> pa.Table:
    known = Ragged.from_lists([history[:-1] for history in histories], np.int32)
    held_out = Ragged.from_lists([history[-1:] for history in histories], np.int32)
    return pa.table(
        {
            "user": pa.array(range(2, len(histories) + 2), pa.int32()),
            "items": lists(known),
            "targets": lists(held_out),
            "other_seen": pa.array([[]] * len(histories), pa.list_(pa.int32())),
            "timestamps": seconds(known),
            "ratings": beside(known, 1 + known.values % np.float32(5)),
            "target_timestamps": seconds(held_out),
        }
    )


def user_features() -> pa.Table:
    users = np.arange(2, N_USERS, dtype=np.int32)
    genders = pa.array(2 + users % 2, pa.int32())
    return pa.table({"user": users, "gender": genders})


def vocabulary(entity: str, n_entities: int, *, unknown=()) -> pa.Table:
    ids = np.arange(2, n_entities, dtype=np.int32)
    n_train = np.where(np.isin(ids, unknown), 0, 3)
    return pa.table({entity: ids, "n_train": n_train})


def explicit_negatives() -> pa.Table:
    """Every second user dislikes two items."""
    users = np.arange(2, N_USERS, 2, dtype=np.int32)
    items = pa.array([[2 + u % 20, 23 + u % 10] for u in users.tolist()], INT_LISTS)
    return pa.table({"user": users, "items": items})


FEATURE_INFORMATION = {
    "features": ["id", "genres", "year"],
    "matrix": [[3.7, 1.2, 1.6], [1.2, 1.2, 0.4], [1.6, 0.4, 1.6]],
}


def lineage_in(folder: Path, **fingerprints: str) -> LineageStore:
    store = LineageStore(folder)
    for name in TRAINING_INPUTS:
        found = fingerprints.get(name, f"print of {name}")
        store.write(name, Record(found, "node", "run", {}, {}, {}, "kedro run", None))
    return store


def tables_of(*, histories=None, held_out=(), unknown_items=(), unknown_users=()):
    """Return the tables of the training node, of walks on a circle of items."""
    histories = walks(80, N_ITEMS, seed=5) if histories is None else histories
    tables = {
        "train_sequences": train_sequences(histories),
        "validation_examples": validation_examples(list(held_out)),
        "item_features": item_features(),
        "user_features": user_features(),
        "item_vocabulary": vocabulary("item", N_ITEMS, unknown=unknown_items),
        "user_vocabulary": vocabulary("user", N_USERS, unknown=unknown_users),
        "explicit_negatives": explicit_negatives(),
    }
    return {name: ibis.memtable(table) for name, table in tables.items()}


def model_inputs(parameters: Training, **tables) -> ModelInputs:
    return read_inputs(
        tables_of(**tables), FEATURE_SCHEMA, FEATURE_INFORMATION, parameters
    )


def train(folder: Path, parameters: Training, *, store, **tables):
    """Call the training node on histories in which each item leads to the next."""
    return train_two_tower(
        **tables_of(**tables),
        feature_schema=FEATURE_SCHEMA,
        feature_information=FEATURE_INFORMATION,
        leakage_audit={"passed": True, "checks": []},
        training_checkpoints=store,
        lineage=lineage_in(folder),
        parameters=parameters,
        seen=Seen("left_out"),
    )
