"""Index tuning: the cheapest setting that meets a recall target."""

from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from two_tower.index.base import NO_ITEM, Index, SearchResult
from two_tower.index.exact import search_exactly
from two_tower.types import FloatArray

TIE: Final = np.float32(1e-6)
"""Cosines that differ by less are equal: float32 can't separate them."""


def measure_recall(found: SearchResult, exact: SearchResult) -> float:
    """Return recall@K: the share of the exact results that the index found.

    `mean_b |{found items of b at least as near as its last exact item}| / |exact_b|`.
    An item that ties with the last exact one is a hit, although exact search had to
    leave it out to stop at K.

    Args:
        found: `[B, K]` of the index, with exact scores.
        exact: `[B, K]` of exact search for these queries; fewer than K items only in a
            smaller catalogue.

    Returns:
        A share in [0, 1]; 1 without queries.

    References:
        Aumüller et al., ANN-Benchmarks, Information Systems 2020, section 3.
    """
    n_exact = (exact.indices != NO_ITEM).sum(axis=1)
    if not n_exact.any():
        return 1.0
    last = np.take_along_axis(exact.scores, n_exact[:, np.newaxis] - 1, axis=1)
    n_hits = (found.scores >= last - TIE).sum(axis=1)
    return float((np.minimum(n_hits, n_exact) / n_exact).mean())


@dataclass(frozen=True)
class Trial:
    """One setting of an index, and what it reached.

    Attributes:
        parameters: of the index.
        recall: recall@k against exact search, in [0, 1].
        queries_per_second: searches for k items by one thread.
    """

    parameters: dict[str, int]
    recall: float
    queries_per_second: float


class RecallTargetMissedError(ValueError):
    """No candidate index reaches the recall target."""


def tune(
    candidates: Iterable[Index],
    queries: FloatArray,
    vectors: FloatArray,
    *,
    k: int,
    target: float,
) -> tuple[Index, list[Trial]]:
    """Return the first index that meets the target, and all trials up to it.

    Args:
        candidates: indexes over `vectors`, cheapest first; built one at a time.
        queries: `[B, D]` float32, vectors of sampled users.
        vectors: `[N, D]` float32, L2-normalised.
        k: length of the compared lists; a smaller catalogue is compared whole.
        target: recall@k to reach, in [0, 1].

    Raises:
        RecallTargetMissedError: with the best trial, and how to raise recall.
    """
    exact = search_exactly(queries, vectors, k)
    trials: list[Trial] = []
    for index in candidates:
        start = perf_counter()
        found = index.search(queries, k)
        seconds = perf_counter() - start
        recall = measure_recall(found, exact)
        trials.append(Trial(index.parameters, recall, len(queries) / seconds))
        if recall >= target:
            return index, trials
    best = max(trials, key=lambda trial: trial.recall)
    settings = ", ".join(f"{name} {value}" for name, value in best.parameters.items())
    raise RecallTargetMissedError(
        f"recall@{k} of {best.recall:.3f} against exact search is below the target of "
        f"{target:g} (best of {len(trials)} settings: {settings or 'none'}; "
        f"{len(vectors)} items, {len(queries)} queries). Allow larger values in "
        "indexing.index, lower indexing.recall_target, or set indexing.index.kind to "
        "exact"
    )
