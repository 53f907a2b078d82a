"""Ranks of the positives: exact, through the index, among cold items, by baselines."""

from collections.abc import Mapping, Sequence

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.evaluation.queries import EvaluationQueries, read_training_items
from two_tower.evaluation.rank_tables import exposure_table, ranks_table
from two_tower.evaluation.top_k_lists import count_exposure, rank_through_index
from two_tower.index.bundle import IndexBundle
from two_tower.metrics.baselines import (
    ease_scorer,
    fit_ease,
    interaction_matrix,
    popularity_scorer,
    replace_rows,
)
from two_tower.metrics.ranks import (
    Scorer,
    dot_product_ranks,
    dot_scorer,
    positive_ranks,
)
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, FloatArray, Int64Array


def rank_by_model(
    queries: EvaluationQueries,
    query_vectors: FloatArray,
    item_vectors: FloatArray,
    bundle: IndexBundle,
    *,
    cutoffs: Sequence[int],
    item_block: int,
) -> tuple[pa.Table, pa.Table]:
    """Return ranks and exposure by exact scores and through the index.

    Args:
        queries: B queries.
        query_vectors: `[B, V, D]` float32.
        item_vectors: `[N, D]` float32.
        bundle: index of the same items.
        cutoffs: the k.
        item_block: items scored at a time.

    Returns:
        A `ranks_table` with `n_seen`, `is_repeat`, `n_candidates`, `exact` and `index`,
        and an `exposure_table` of `exact` and `index`.

    Raises:
        ValueError: if the index holds another number of items.
    """
    n_items = len(item_vectors)
    if bundle.n_items != n_items:
        raise ValueError(
            f"item_index holds {bundle.n_items} items and item_embeddings {n_items}; "
            "run: kedro run --pipelines indexing"
        )
    scorer = dot_scorer(query_vectors, item_vectors)
    excluded = queries.excluded
    exact = positive_ranks(scorer, queries.targets, excluded, item_block=item_block)
    exact_exposure = count_exposure(scorer, excluded, cutoffs, item_block=item_block)
    index, index_exposure = rank_through_index(bundle, query_vectors, queries, cutoffs)
    query = queries.targets.rows
    columns = {
        "n_seen": queries.history.lengths[query],
        "is_repeat": queries.is_repeat.astype(np.int64),
        "n_candidates": queries.count_candidates(n_items)[query],
        "exact": exact,
        "index": index,
    }
    exposure = {"exact": exact_exposure, "index": index_exposure}
    return ranks_table(queries, columns), exposure_table(exposure, cutoffs)


def rank_cold_items(
    queries: EvaluationQueries,
    query_vectors: FloatArray,
    item_vectors: FloatArray,
    n_train: Int64Array,
    *,
    item_block: int,
) -> pa.Table:
    """Return the exact ranks of cold positives among the cold items.

    Args:
        queries: B queries.
        query_vectors: `[B, V, D]` float32.
        item_vectors: `[N, D]` float32.
        n_train: `[N]`, training interactions of each item; 0 for a cold one.
        item_block: items scored at a time.

    Returns:
        A `ranks_table` with `n_candidates` and `exact`, one row per cold positive.

    Raises:
        ValueError: if the number of items differs.
    """
    if len(item_vectors) != len(n_train):
        raise ValueError(
            f"item_embeddings holds {len(item_vectors)} items and item_vocabulary "
            f"{len(n_train)}; run: kedro run --pipelines export"
        )
    is_cold = n_train == 0
    cold = queries.restrict(is_cold)
    cold_index, excluded = np.cumsum(is_cold) - 1, cold.excluded
    ranks = dot_product_ranks(
        query_vectors[np.isin(queries.users, cold.users)],
        item_vectors[is_cold],
        Ragged(cold_index[cold.targets.values], cold.targets.offsets),
        Ragged(cold_index[excluded.values], excluded.offsets),
        item_block=item_block,
    )
    n_candidates = cold.count_candidates(int(is_cold.sum()))[cold.targets.rows]
    return ranks_table(cold, {"n_candidates": n_candidates, "exact": ranks})


def baseline_scorers(
    queries: EvaluationQueries,
    train_sequences: ir.Table,
    n_train: Int64Array,
    *,
    l2: float,
    max_items: int,
) -> Mapping[str, Scorer]:
    """Return the scorers of `popularity` and, for a small catalogue, `ease`.

    Args:
        queries: B queries.
        train_sequences: one row per window: `user` (int32), `items` and `targets`
            (array<int32>); read for EASE only.
        n_train: `[N]`, training interactions of each item.
        l2: regularisation of EASE.
        max_items: the largest N with EASE.
    """
    n_items = len(n_train)
    popularity = popularity_scorer(n_train, len(queries.users))
    if n_items > max_items:
        return {"popularity": popularity}
    training = interaction_matrix(read_training_items(train_sequences), n_items)
    weights = fit_ease(training, l2=l2)
    is_trained = n_train > 0
    histories = queries.history.keep(is_trained[queries.history.values])
    ease = ease_scorer(weights, interaction_matrix(histories, n_items))
    # Without a trained item in the history, EASE scores every item 0.
    ease = replace_rows(ease, popularity, histories.lengths == 0)
    return {"popularity": popularity, "ease": ease}


def rank_by_scorers(
    queries: EvaluationQueries,
    scorers: Mapping[str, Scorer],
    n_train: Int64Array,
    user_n_train: Int64Array,
    *,
    cutoffs: Sequence[int],
    item_block: int,
) -> tuple[pa.Table, pa.Table]:
    """Return ranks and exposure by each baseline.

    Args:
        queries: B queries.
        scorers: a scorer of B queries and N items for each baseline.
        n_train: `[N]`, training interactions of each item.
        user_n_train: training interactions of each user in the vocabulary.
        cutoffs: the k.
        item_block: items scored at a time.

    Returns:
        A `ranks_table` with `item_n_train`, `user_n_train` and each baseline, and an
        `exposure_table` with `n_train` and each baseline.
    """
    excluded = queries.excluded
    ranks: dict[str, npt.NDArray[np.int64]] = {
        name: positive_ranks(scorer, queries.targets, excluded, item_block=item_block)
        for name, scorer in scorers.items()
    }
    exposure = {
        name: count_exposure(scorer, excluded, cutoffs, item_block=item_block)
        for name, scorer in scorers.items()
    }
    users = queries.users - FIRST_ID
    columns = {
        "item_n_train": n_train[queries.targets.values],
        "user_n_train": user_n_train[users][queries.targets.rows],
    }
    return (
        ranks_table(queries, {**columns, **ranks}),
        exposure_table(exposure, cutoffs, n_train=n_train),
    )
