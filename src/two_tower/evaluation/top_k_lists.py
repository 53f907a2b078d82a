"""Top-k lists as served to users, from exact scores and from the index."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from two_tower.chunking import row_slices
from two_tower.evaluation.queries import EvaluationQueries
from two_tower.index.base import NO_ITEM, ItemIndices
from two_tower.index.bundle import IndexBundle
from two_tower.index.top_k import Keys, keep_greatest, pack, top_k, unpack
from two_tower.metrics.beyond_accuracy import count_in_lists
from two_tower.metrics.ranks import (
    QUERY_BLOCK,
    ROUNDING,
    Scorer,
    mask_items,
    ranks_in_lists,
    score_blocks,
)
from two_tower.ragged import Ragged
from two_tower.recommend.seen_filter import ItemFilter, search_filtered
from two_tower.types import FloatArray, Int64Array

QUERIES_PER_SEARCH: Final = 1024
"""Queries searched at a time; with 1,000 candidates each they take 12 MB."""


def top_k_lists(
    scorer: Scorer, seen: Ragged, k: int, *, item_block: int
) -> Iterator[ItemIndices]:
    """Yield the top k unseen items of each query, some queries at a time.

    Args:
        scorer: scores B queries for N items.
        seen: B lists of item rows to leave out.
        k: the length of a list.
        item_block: items scored at a time.

    Yields:
        `[b, min(k, N)]` item rows, best first, equal scores by index, padded with
        `NO_ITEM`.
    """
    for rows in row_slices(scorer.n_queries, QUERY_BLOCK):
        block_seen = seen.take(np.arange(rows.start, rows.stop))
        best: Keys = np.empty((rows.stop - rows.start, 0), np.uint64)
        for columns, scores in score_blocks(scorer, rows, item_block):
            mask_items(scores, columns, block_seen.rows, block_seen)
            indices = np.arange(columns.start, columns.stop)
            unseen = np.where(np.isneginf(scores), NO_ITEM, indices)
            best = np.concatenate([best, pack(scores, unseen)], axis=1)
            best = keep_greatest(best, k)
        yield top_k(*unpack(best), min(k, scorer.n_items)).indices


def count_exposure(
    scorer: Scorer, seen: Ragged, cutoffs: Sequence[int], *, item_block: int
) -> Int64Array:
    """Return `[len(cutoffs), N]`, the number of top-k lists that hold each item.

    Args:
        scorer: scores B queries for N items.
        seen: B lists of item rows to leave out.
        cutoffs: the k.
        item_block: items scored at a time.
    """
    counts = np.zeros((len(cutoffs), scorer.n_items), np.int64)
    for lists in top_k_lists(scorer, seen, max(cutoffs), item_block=item_block):
        counts += count_in_lists(lists, scorer.n_items, cutoffs)
    return counts


def rank_through_index(
    bundle: IndexBundle,
    vectors: FloatArray,
    queries: EvaluationQueries,
    cutoffs: Sequence[int],
) -> tuple[npt.NDArray[np.float64], Int64Array]:
    """Return the rank of each positive in the list from the index, and the exposure.

    As in the exact ranking, a positive stays a candidate if the user has seen it.

    Args:
        bundle: index of N items.
        vectors: `[B, D]` float32, or `[B, V, D]` for users of V vectors each.
        queries: the B queries.
        cutoffs: the k; the longest, at most N, is the length of a list.

    Returns:
        `[P]` float64, in the order of the targets, infinity for a positive outside
        the list; and `[len(cutoffs), N]`, the number of lists that hold each item.
    """
    length = min(max(cutoffs), bundle.n_items)
    every_item = ItemFilter.of(bundle.n_items, allow=None, exclude=None)
    counts = np.zeros((len(cutoffs), bundle.n_items), np.int64)
    ranks = [np.empty(0)]
    for block in row_slices(len(vectors), QUERIES_PER_SEARCH):
        part = queries.take(np.arange(block.start, block.stop))
        lists, scores = search_filtered(
            bundle,
            vectors[block],
            length + 1,  # one more shows whether the last item ties with the next
            seen=part.excluded,
            item_filter=every_item,
        )
        # Scores are cosines: both vectors have length 1.
        margin = np.full(len(lists), ROUNDING, np.float32)
        ranks.append(ranks_in_lists(lists, scores, part.targets, margin))
        counts += count_in_lists(lists, bundle.n_items, cutoffs)
    found = np.concatenate(ranks)
    return np.where(found < length, found, np.inf), counts
