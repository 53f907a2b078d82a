"""Ranks of a variant's test positives: computed, saved, and turned into metrics."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from two_tower.evaluation.queries import EvaluationQueries
from two_tower.metrics.accuracy import QueryMetrics, query_metrics
from two_tower.metrics.ranks import dot_product_ranks
from two_tower.ragged import Ragged
from two_tower.types import FloatArray

CUTOFFS = (10, 50, 200)
ITEM_BLOCK = 8192


def ranks_file(work: Path, archive: str, settings: str) -> Path:
    """Return the file with the ranks of a training's test positives.

    Args:
        work: folder of all results of a study.
        archive: hash of the data.
        settings: digest of the parameters of training.
    """
    return work / "ranks" / archive / f"{settings}.npz"


def save_ranks(
    path: Path, vectors: FloatArray, items: FloatArray, queries: EvaluationQueries
) -> None:
    """Save the rank of each test positive, by all vectors of its user and by each.

    Args:
        path: of the new file.
        vectors: `[B, V, D]` float32, V query vectors of each test user.
        items: `[N, D]` float32.
        queries: the test queries.
    """
    n_vectors = vectors.shape[1]
    ranks = _ranks(vectors, items, queries)
    by_vector = (
        [ranks]
        if n_vectors == 1
        else [_ranks(vectors[:, [v]], items, queries) for v in range(n_vectors)]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        ranks=ranks,
        by_vector=np.stack(by_vector),
        offsets=queries.targets.offsets,
    )


def _ranks(
    vectors: FloatArray, items: FloatArray, queries: EvaluationQueries
) -> npt.NDArray[np.int64]:
    """Return the rank of each positive by the nearest of its user's vectors."""
    return dot_product_ranks(
        vectors, items, queries.targets, queries.excluded, item_block=ITEM_BLOCK
    )


def read_metrics(path: Path) -> QueryMetrics:
    """Return the metrics of each test query from saved ranks.

    `hr@k` counts the k items nearest to any of the user's V vectors; `shared_hr@k`
    the k / V nearest items of each vector, as many candidates in total.
    """
    with np.load(path) as arrays:
        offsets, by_vector = arrays["offsets"], arrays["by_vector"]
        ranks = Ragged(arrays["ranks"], offsets)
    metrics = dict(query_metrics(ranks, cutoffs=CUTOFFS))
    for k in CUTOFFS:
        is_near = (by_vector < -(-k // len(by_vector))).any(axis=0)
        hits = query_metrics(Ragged(np.where(is_near, 0, k), offsets), cutoffs=[k])
        metrics[f"shared_hr@{k}"] = hits[f"hr@{k}"]
    return metrics


def mean_over_seeds(metrics: Sequence[QueryMetrics]) -> QueryMetrics:
    """Return the metrics of each query, averaged over several trainings."""
    return {
        name: np.mean([one[name] for one in metrics], axis=0) for name in metrics[0]
    }
