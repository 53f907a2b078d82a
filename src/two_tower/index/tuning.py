"""Choose the cheapest index that meets a recall target."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from two_tower.index.annoy import AnnoyTrees
from two_tower.index.base import NO_ITEM, Index, SearchResult
from two_tower.index.exact import search_exactly
from two_tower.types import FloatArray

TIE: Final = np.float32(1e-6)
"""Cosines nearer than this are one: float32 doesn't tell them apart."""


def measure_recall(found: SearchResult, exact: SearchResult) -> float:
    """Return recall@K: the share of the exact results that the index found, too.

    `mean_b |{found of b that are as near as the last exact one of b}| / |exact of b|`.
    An item as near as the last exact one counts although exact search, which had to
    stop at K, left it out: a tie is no miss.

    Args:
        found: `[B, K]` of the index, with exact scores.
        exact: `[B, K]` of exact search for the same queries; fewer than K items only
            where the catalogue has no more.

    Returns:
        A share in [0, 1]; 1 if there are no queries.

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
    """No setting that was tried has the recall that was asked for."""


def tune(
    candidates: Iterable[Index],
    queries: FloatArray,
    vectors: FloatArray,
    *,
    k: int,
    target: float,
) -> tuple[Index, list[Trial]]:
    """Return the first index that meets the target, with all trials up to it.

    Args:
        candidates: indexes over `vectors`, cheapest first; made one at a time.
        queries: `[B, D]` float32, a sample of real users' vectors.
        vectors: `[N, D]` float32, L2-normalised.
        k: length of the lists that are compared; all items if there are fewer.
        target: recall@k to reach, in [0, 1].

    Raises:
        RecallTargetMissedError: with the best that was reached, and what to change.
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
    raise RecallTargetMissedError(
        f"the index reaches a recall@{k} of {best.recall:.3f} against exact search, "
        f"below the target of {target:g} (best of {len(trials)} settings: "
        f"{_named(best.parameters)}; {len(vectors)} items, {len(queries)} queries). "
        "Allow larger values in the parameters of this back end, lower recall_target, "
        "or choose the back end 'exact'"
    )


def grow_annoy(
    vectors: FloatArray,
    *,
    n_trees: Sequence[int],
    search_k: Sequence[int],
    at_k: int,
    seed: int,
) -> Iterator[AnnoyTrees]:
    """Yield Annoy indexes, cheapest first: few trees, then little search.

    Trees cost memory and time to build, so a larger forest is grown only when no
    allowed search of the smaller one was enough.

    Args:
        vectors: `[N, D]` float32, L2-normalised.
        n_trees: sizes of forest.
        search_k: nodes to look at per query for a list of `at_k` items.
        at_k: the length of list that `search_k` is meant for.
        seed: of the forest.
    """
    for size in sorted(n_trees):
        efforts = sorted(search_k)
        trees = AnnoyTrees.build(
            vectors, n_trees=size, search_k=efforts[0], at_k=at_k, seed=seed
        )
        for effort in efforts:
            yield trees.with_search_k(effort)
            if effort >= size * len(vectors):
                break  # every leaf of every tree has been looked at


def _named(parameters: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters.items()) or "none"
