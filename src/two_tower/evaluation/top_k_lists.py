"""Lists as users would see them, from scores and from the index."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from two_tower.chunking import row_slices
from two_tower.evaluation.queries import TestCases
from two_tower.index.base import NO_ITEM, ItemIndices
from two_tower.index.bundle import IndexBundle
from two_tower.index.top_k import Keys, keep_greatest, pack, top_k, unpack
from two_tower.metrics.beyond_accuracy import list_counts
from two_tower.metrics.ranks import (
    QUERY_BLOCK,
    ROUNDING,
    Scorer,
    mask_items,
    ranks_in_lists,
    score_blocks,
    without_targets,
)
from two_tower.ragged import Ragged
from two_tower.recommend.seen_filter import ItemFilter, search_filtered
from two_tower.types import FloatArray, Int64Array

QUERIES_PER_SEARCH: Final = 1024
"""With 1,000 candidates each, 12 MB of them at a time."""


def top_lists(
    scorer: Scorer, seen: Ragged, k: int, *, item_block: int
) -> Iterator[ItemIndices]:
    """Yield the k best unseen items of each query, some queries at a time.

    Args:
        scorer: scores B queries for N items.
        seen: B rows of item positions to leave out.
        k: the length of a list.
        item_block: how many items are scored at a time.

    Yields:
        `[b, k]` item positions, best first, equal scores by position, padded with
        `NO_ITEM`.
    """
    for rows in row_slices(scorer.n_queries, QUERY_BLOCK):
        block_seen = seen.take(np.arange(rows.start, rows.stop))
        best: Keys = np.empty((rows.stop - rows.start, 0), np.uint64)
        for columns, scores in score_blocks(scorer, rows, item_block):
            mask_items(scores, columns, block_seen.rows, block_seen)
            positions = np.arange(columns.start, columns.stop)
            shown = np.where(np.isneginf(scores), NO_ITEM, positions)
            best = np.concatenate([best, pack(scores, shown)], axis=1)
            best = keep_greatest(best, k)
        yield top_k(*unpack(best), k).indices


def count_shown(
    scorer: Scorer, seen: Ragged, cutoffs: Sequence[int], *, item_block: int
) -> Int64Array:
    """Return `[len(cutoffs), N]`, in how many lists of k items each item is.

    Args:
        scorer: scores B queries for N items.
        seen: B rows of item positions to leave out.
        cutoffs: the k.
        item_block: how many items are scored at a time.
    """
    counts = np.zeros((len(cutoffs), scorer.n_items), np.int64)
    for lists in top_lists(scorer, seen, max(cutoffs), item_block=item_block):
        counts += list_counts(lists, scorer.n_items, cutoffs)
    return counts


def rank_through_index(
    bundle: IndexBundle, queries: FloatArray, cases: TestCases, cutoffs: Sequence[int]
) -> tuple[npt.NDArray[np.float64], Int64Array]:
    """Return each positive's rank in the list that the index serves, and `count_shown`.

    As in the exact ranking, a positive may be shown although it was seen before.

    Args:
        bundle: of N items.
        queries: `[B, D]` float32, or `[B, V, D]` for users of V vectors each.
        cases: the B queries.
        cutoffs: the k; the longest is the length of a list.

    Returns:
        `[P]` float64, in the order of the targets, infinity for those not in the
        list; and `[len(cutoffs), N]`.
    """
    length = max(cutoffs)
    everything = ItemFilter.of(bundle.n_items, allow=None, exclude=None)
    counts = np.zeros((len(cutoffs), bundle.n_items), np.int64)
    ranks = [np.empty(0)]
    for block in row_slices(len(queries), QUERIES_PER_SEARCH):
        rows = np.arange(block.start, block.stop)
        targets = cases.targets.take(rows)
        lists, scores = search_filtered(
            bundle,
            queries[block],
            length + 1,  # whether the last one's equals go on beyond the list
            seen=without_targets(cases.seen.take(rows), targets),
            item_filter=everything,
        )
        # Cosines: both vectors are of length 1.
        margin = np.full(len(rows), ROUNDING, np.float32)
        ranks.append(ranks_in_lists(lists, scores, targets, margin))
        counts += list_counts(lists, bundle.n_items, cutoffs)
    found = np.concatenate(ranks)
    return np.where(found < length, found, np.inf), counts
