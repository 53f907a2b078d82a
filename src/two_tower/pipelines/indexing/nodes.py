"""Build the item index, and hold it to its recall target."""

import logging
from collections.abc import Iterable
from time import perf_counter
from typing import Final

import ibis.expr.types as ir
import numpy as np
from ibis import _

from two_tower.index.base import Index, require_unit_rows
from two_tower.index.bundle import IndexBundle, Recall, ask_golden_queries
from two_tower.index.exact import ExactIndex
from two_tower.index.tuning import Trial, grow_annoy, tune
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
    "deployed_query_tower",
    "query_tower",
)


def build_item_index(
    item_embeddings: ir.Table,
    user_embeddings: ir.Table,
    lineage: LineageStore,
    parameters: Indexing,
) -> tuple[IndexBundle, JsonObject]:
    """Return an index over all items, and what it reaches.

    Args:
        item_embeddings: one row per item: `item` (int32, dense ids from 2 without
            gaps), `item_id`, `vector` (array<float32>, L2-normalised).
        user_embeddings: one row per vector of a user: `user` (int32), `user_id`,
            `vector_index` (int32, from 0) and `vector` (array<float32>).
        lineage: the fingerprints to stamp the bundle with.
        parameters: of this pipeline.

    Returns:
        The bundle, and a report: the settings, `recall@<k>` and its `target`, the
        `sample_users` and their `n_queries`, `n_items`, `vector_bytes`,
        `build_seconds` with all trials, `queries_per_second` of one thread, and the
        `trials`. The bundle's size on disk is known once it is saved; its `about.json`
        says it.

    Raises:
        ValueError: if the item vectors are unsound or of unknown origin, or no
            setting that may be tried meets the recall target.
    """
    items = read_item_embeddings(item_embeddings)
    require_unit_rows(items.vectors)
    sample = sample_queries(user_embeddings, parameters)
    # The index answers one vector at a time, so that is what it is measured on.
    queries = sample.reshape(-1, sample.shape[2])
    n_golden = min(parameters.golden_users, len(sample)) * sample.shape[1]

    start = perf_counter()
    index, trials = tune(
        _candidates(items.vectors, parameters),
        queries,
        items.vectors,
        k=parameters.recall_k,
        target=parameters.recall_target,
    )
    build_seconds = perf_counter() - start
    bundle = IndexBundle(
        index=index,
        item_ids=items.item_ids,
        vectors=items.vectors,
        recall=Recall(
            at_k=parameters.recall_k,
            value=trials[-1].recall,
            target=parameters.recall_target,
            n_queries=len(queries),
        ),
        golden=ask_golden_queries(index, queries[:n_golden]),
        seed=parameters.seed,
        fingerprints=find_origin(lineage),
    )
    logger.info(
        "%s index of %d items: recall@%d is %.3f on %s, after %d trials",
        index.backend,
        bundle.n_items,
        bundle.recall.at_k,
        bundle.recall.value,
        _said_of(sample),
        len(trials),
    )
    measured = {"sample_users": len(sample), "build_seconds": build_seconds}
    return bundle, report_on(bundle, trials) | measured


def find_origin(lineage: LineageStore) -> dict[str, str]:
    """Return the fingerprints of the item embeddings and of what they came from.

    The data and the model are those that made the embeddings, which a later run may
    have replaced since.

    Args:
        lineage: holds the record of `item_embeddings`.

    Returns:
        `item_embeddings`, `query_tower` and, of these, what they came from, → their
        fingerprint: `interactions` and `two_tower_model`, or, of embeddings to which
        items were added, the `deployed_query_tower`.

    Raises:
        ValueError: if there is no such record.
    """
    record = lineage.find("item_embeddings")
    if record is None:
        raise ValueError(
            "nothing is known of where item_embeddings came from; "
            "run the export pipeline again"
        )
    came_from = [name for name in ORIGINS if name in record.ancestors]
    return {
        **{name: record.ancestors[name] for name in came_from},
        "item_embeddings": record.fingerprint,
    }


def sample_queries(user_embeddings: ir.Table, parameters: Indexing) -> FloatArray:
    """Return the vectors of users drawn at random, in order of `user`.

    Args:
        user_embeddings: `user` (int32), `user_id`, `vector_index` (int32, from 0) and
            `vector` (array<float32>).
        parameters: `sample_users` to draw, all if there are fewer, and the `seed`.

    Returns:
        `[≤ sample_users, V, D]` float32.

    Raises:
        ValueError: if there is no user, one has another number of vectors, or there is
            no `vector_index`.
    """
    require_vector_index(user_embeddings)
    users = user_embeddings.select("user").distinct().order_by("user")
    known = users.user.to_pyarrow().to_numpy()
    if not len(known):
        raise ValueError(
            "user_embeddings is empty, so the index's recall can't be measured; "
            "run the export pipeline on data with users"
        )
    draw = np.random.default_rng(parameters.seed).permutation(len(known))
    chosen = known[draw[: parameters.sample_users]].tolist()
    return read_user_vectors(user_embeddings.filter(_.user.isin(chosen))).vectors


def report_on(bundle: IndexBundle, trials: list[Trial]) -> JsonObject:
    """Return what the index reaches and what was tried, as JSON.

    Args:
        bundle: of the index that was chosen.
        trials: all settings tried; the last one was chosen.
    """
    recall = f"recall@{bundle.recall.at_k}"
    return {
        "backend": bundle.index.backend,
        "n_trees": bundle.index.parameters.get("n_trees"),
        "search_k": bundle.index.parameters.get("search_k"),
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


def _said_of(sample: FloatArray) -> str:
    """Return in words what `[B, V, D]` queries are."""
    n_users, n_vectors, _ = sample.shape
    users = f"{n_users} users"
    return users if n_vectors == 1 else f"{n_users * n_vectors} vectors of {users}"


def _candidates(vectors: FloatArray, parameters: Indexing) -> Iterable[Index]:
    """Return the indexes that may be tried, cheapest first."""
    if parameters.backend == "exact":
        return [ExactIndex(vectors)]
    return grow_annoy(
        vectors,
        n_trees=parameters.annoy.n_trees,
        search_k=parameters.annoy.search_k,
        at_k=parameters.recall_k,
        seed=parameters.seed,
    )
