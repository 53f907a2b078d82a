"""Build a query tower from a trained model and its vocabularies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis import _

from two_tower.index.inner_product import find_largest_norm
from two_tower.lineage.records import LineageStore
from two_tower.serving.query_tower import QueryTower
from two_tower.serving.requests import RequestEvents
from two_tower.serving.vocabularies import Vocabularies
from two_tower.towers.encode import encode_items
from two_tower.types import FIRST_ID, FloatArray, JsonObject

if TYPE_CHECKING:  # Kedro opens what uses this module, and must not import Keras
    from two_tower.towers.two_tower import TwoTower


MAKERS: Final = {"two_tower_model": "training", "refit_model": "refit"}
"""Model → the pipeline that makes it."""


def assemble_query_tower(
    towers: TwoTower,
    vocabularies: Vocabularies,
    users: pa.Table,
    *,
    bucket_boundaries: Sequence[int],
    tokens_per_batch: int,
    origin: JsonObject,
) -> QueryTower:
    """Return the query tower of a trained model.

    Args:
        towers: the trained model, built.
        vocabularies: raw ids and feature values of its indices.
        users: `user_id` and `item_ids` (list of raw ids) of the users whose mean is
            the average query; towers that read events need `timestamps` and `ratings`
            (equally long lists).
        bucket_boundaries: rising widths of padded histories; wider ones than the
            model reads are left out.
        tokens_per_batch: items in a batch, padding included.
        origin: see `QueryTower`.
    """
    longest = max(towers.max_length, 1)
    tower = QueryTower(
        towers=towers,
        vocabularies=vocabularies,
        average_query=np.empty(0, np.float32),
        largest_norm=longest_item_norm(towers, vocabularies.items.num_rows),
        bucket_boundaries=[*(w for w in bucket_boundaries if w < longest), longest],
        tokens_per_batch=tokens_per_batch,
        origin=origin,
    )
    queries = encode_users(tower, users)
    return replace(tower, average_query=average_direction(queries))


def encode_users(tower: QueryTower, users: pa.Table) -> FloatArray:
    """Return the query vectors of the users' whole histories.

    Args:
        tower: raw ids in, vectors out.
        users: see `assemble_query_tower`.
    """
    histories = users["item_ids"].combine_chunks()
    if not tower.towers.reads_events:
        return tower.encode(histories, users["user_id"])
    lists = (users[name].combine_chunks() for name in ("timestamps", "ratings"))
    return tower.encode(histories, users["user_id"], events=RequestEvents(*lists))


def longest_item_norm(towers: TwoTower, n_items: int) -> float | None:
    """Return the length of the longest item vector; None if the towers normalise."""
    if towers.normalise:
        return None
    items = np.arange(FIRST_ID, FIRST_ID + n_items, dtype=np.int32)
    return find_largest_norm(encode_items(towers, items))


def average_direction(queries: FloatArray) -> FloatArray:
    """Return the mean of `[R, D]` or `[R, V, D]` unit vectors, scaled to length 1.

    Raises:
        ValueError: if there is no query, or the queries cancel out.
    """
    vectors = queries.reshape(-1, queries.shape[-1])
    mean = vectors.mean(axis=0, dtype=np.float64) if len(vectors) else np.zeros(1)
    length = np.linalg.norm(mean)
    if not length > 0:
        raise ValueError(
            f"the query vectors of {len(queries)} users have no mean direction, so "
            "there is no average query; train on data with users"
        )
    return (mean / length).astype(np.float32)


def sample_users(user_vocabulary: ir.Table, *, n: int, seed: int) -> ir.Table:
    """Return the rows of `n` randomly sampled users, all if there are fewer.

    Args:
        user_vocabulary: `user` (int32, unique).
        n: users to sample.
        seed: of the sample.
    """
    users = user_vocabulary.order_by("user").user.to_pyarrow().to_numpy()
    if len(users) <= n:
        return user_vocabulary
    sampled = np.random.default_rng(seed).choice(users, n, replace=False)
    return user_vocabulary.filter(_.user.isin(sampled.tolist()))


def describe_origin(
    lineage: LineageStore, model: Literal["two_tower_model", "refit_model"]
) -> JsonObject:
    """Return the data, parameters and split rules of the trained model.

    Args:
        lineage: holds the records of the model and of its data.
        model: dataset of the model.

    Returns:
        `fingerprints` of the model and of the data it was trained on, the `parameters`
        of the training, and the `rules` that selected and split the data.

    Raises:
        ValueError: if the model has no record, or its data were replaced since.
    """
    record = lineage.find(model)
    if record is None:
        raise ValueError(
            f"{model} has no lineage record: the run that wrote it was "
            "interrupted, or the file was copied by hand; run: kedro run "
            f"--pipelines {MAKERS[model]}"
        )
    return {
        "fingerprints": {**record.ancestors, model: record.fingerprint},
        "parameters": record.parameters,
        "rules": _describe_rules(lineage, record.ancestors),
    }


def describe_refit(lineage: LineageStore, *, epochs: int) -> JsonObject:
    """Return the origin of a refitted model, which was trained on all interactions.

    Args:
        lineage: holds the records of `refit_model` and of its data.
        epochs: epochs of the refit.

    Returns:
        `describe_origin`, with rules that hold nothing out, and `refit`: its options
        and `epochs`.

    Raises:
        ValueError: see `describe_origin`.
    """
    origin = describe_origin(lineage, "refit_model")
    rules = origin["rules"]
    split = rules["sequencing.split"] | {"kind": "none"}
    return origin | {
        "rules": rules | {"sequencing.split": split},
        "refit": {**origin["parameters"]["refit"], "epochs": epochs},
    }


def _describe_rules(
    lineage: LineageStore, ancestors: Mapping[str, str]
) -> dict[str, Any]:
    """Return the parameters of the tables that the model was trained on."""
    rules: dict[str, Any] = {}
    for name in ("kept_interactions", "split_interactions"):
        record = lineage.find(name)
        if record is None or record.fingerprint != ancestors.get(name):
            raise ValueError(
                f"two_tower_model was trained on another version of {name}; run: "
                "kedro run --pipelines training"
            )
        rules |= record.parameters
    return rules
