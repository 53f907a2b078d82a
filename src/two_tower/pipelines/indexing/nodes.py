"""Build the item index, and check its recall."""

import logging
from time import perf_counter
from typing import Final

import ibis.expr.types as ir
import numpy as np
from ibis import _

from two_tower.index.base import require_unit_rows
from two_tower.index.bundle import IndexBundle, Recall, search_golden_queries
from two_tower.index.tuning import Trial, tune
from two_tower.index.vectors import (
    read_item_embeddings,
    read_user_vectors,
    require_vector_index,
)
from two_tower.lineage.records import LineageStore
from two_tower.pipelines.indexing.params import Indexing
from two_tower.types import FloatArray, JsonObject

logger = logging.getLogger(__name__)

ORIGINS: Final = (
    "interactions",
    "two_tower_model",
    "refit_model",
    "deployed_query_tower",
    "query_tower",
)


def build_item_index(
    item_embeddings: ir.Table,
    user_embeddings: ir.Table,
    lineage: LineageStore,
    parameters: Indexing,
) -> tuple[IndexBundle, JsonObject]:
    """Return an index over all items, and a report of its recall.

    Args:
        item_embeddings: one row per item: `item` (int32, item index from 2
            without gaps), `item_id`, `vector` (array<float32>, L2-normalised).
        user_embeddings: one row per vector of a user: `user` (int32), `user_id`,
            `vector_index` (int32, from 0) and `vector` (array<float32>).
        lineage: holds the fingerprints for the bundle.
        parameters: of this pipeline.

    Returns:
        The bundle, and the report of `report_index` with `sample_users` and
        `build_seconds` (all trials).

    Raises:
        ValueError: if the item vectors are not of length 1 or have no lineage record,
            or no candidate index meets the recall target.
    """
    items = read_item_embeddings(item_embeddings)
    require_unit_rows(items.vectors)
    sample = sample_queries(user_embeddings, parameters)
    # A search takes one vector, so recall is measured on vectors.
    queries = sample.reshape(-1, sample.shape[2])
    k = min(parameters.recall_k, len(items.vectors))
    start = perf_counter()
    index, trials = tune(
        parameters.index.chosen.candidates(items.vectors, k=k, seed=parameters.seed),
        queries,
        items.vectors,
        k=k,
        target=parameters.recall_target,
    )
    build_seconds = perf_counter() - start
    recall = Recall(
        at_k=k,
        value=trials[-1].recall,
        target=parameters.recall_target,
        n_queries=len(queries),
    )
    n_golden = min(parameters.golden_users, len(sample)) * sample.shape[1]
    bundle = IndexBundle(
        backend=parameters.index.kind,
        index=index,
        item_ids=items.item_ids,
        vectors=items.vectors,
        recall=recall,
        golden=search_golden_queries(index, queries[:n_golden]),
        seed=parameters.seed,
        fingerprints=find_origin(lineage),
    )
    _log_recall(bundle, sample, n_trials=len(trials))
    measured = {"sample_users": len(sample), "build_seconds": build_seconds}
    return bundle, report_index(bundle, trials) | measured


def find_origin(lineage: LineageStore) -> dict[str, str]:
    """Return the fingerprints of the item embeddings and of their origin.

    The origin comes from the lineage record of the embeddings: data and model may have
    been replaced since.

    Args:
        lineage: holds the record of `item_embeddings`.

    Returns:
        `item_embeddings`, `query_tower` and either `interactions`, `two_tower_model`
        and, after a refit, `refit_model`, or, after items were added,
        `deployed_query_tower` → their fingerprints.

    Raises:
        ValueError: if there is no such record.
    """
    record = lineage.find("item_embeddings")
    if record is None:
        raise ValueError(
            "item_embeddings has no lineage record: the run that wrote it was "
            "interrupted, or the files were copied by hand; run: kedro run "
            "--pipelines export"
        )
    origins = [name for name in ORIGINS if name in record.ancestors]
    return {
        **{name: record.ancestors[name] for name in origins},
        "item_embeddings": record.fingerprint,
    }


def sample_queries(user_embeddings: ir.Table, parameters: Indexing) -> FloatArray:
    """Return the vectors of randomly sampled users, in order of `user`.

    Args:
        user_embeddings: `user` (int32), `user_id`, `vector_index` (int32, from 0) and
            `vector` (array<float32>).
        parameters: `sample_users` and the `seed`.

    Returns:
        `[≤ sample_users, V, D]` float32.

    Raises:
        ValueError: if there is no user, users have different numbers of vectors, or
            there is no `vector_index`.
    """
    require_vector_index(user_embeddings)
    distinct = user_embeddings.select("user").distinct().order_by("user")
    users = distinct.user.to_pyarrow().to_numpy()
    if not len(users):
        raise ValueError(
            "user_embeddings is empty, so the index's recall can't be measured; "
            "run the export pipeline on data with users"
        )
    order = np.random.default_rng(parameters.seed).permutation(len(users))
    sampled = users[order[: parameters.sample_users]].tolist()
    return read_user_vectors(user_embeddings.filter(_.user.isin(sampled))).vectors


def report_index(bundle: IndexBundle, trials: list[Trial]) -> JsonObject:
    """Return the report of an index, as JSON.

    Args:
        bundle: of the chosen index.
        trials: all settings tried; the last one was chosen.

    Returns:
        The `backend` and its settings, `recall@<k>` and its `target`, `n_queries`,
        `n_items`, `dimension`, `vector_bytes`, `queries_per_second` of one thread,
        and the `trials`.
    """
    recall = f"recall@{bundle.recall.at_k}"
    return {
        "backend": bundle.backend,
        **bundle.index.parameters,
        recall: bundle.recall.value,
        "target": bundle.recall.target,
        "n_queries": bundle.recall.n_queries,
        "n_items": bundle.n_items,
        "dimension": bundle.dimension,
        "vector_bytes": bundle.vectors.nbytes,
        "queries_per_second": trials[-1].queries_per_second,
        "trials": [
            trial.parameters
            | {recall: trial.recall, "queries_per_second": trial.queries_per_second}
            for trial in trials
        ],
    }


def _log_recall(bundle: IndexBundle, sample: FloatArray, *, n_trials: int) -> None:
    """Log the recall that was measured on `[B, V, D]` queries."""
    n_users, n_vectors, _ = sample.shape
    users = f"{n_users} users"
    logger.info(
        "%s index of %d items: recall@%d is %.3f on %s, after %d trials",
        bundle.backend,
        bundle.n_items,
        bundle.recall.at_k,
        bundle.recall.value,
        users if n_vectors == 1 else f"{n_users * n_vectors} vectors of {users}",
        n_trials,
    )
