"""Ranks of the positives among all items, with ties at the worst rank."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.chunking import row_slices
from two_tower.params import SeenItems
from two_tower.query_vectors import with_vector_axis
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, FloatArray

QUERY_BLOCK: Final = 256  # queries scored at a time: with 4,096 items, 4 MB
PAIR_BLOCK: Final = 4096  # positives searched for at a time: in lists of 200, 1 MB
NOT_LISTED: Final = -1

ScoreBlock: TypeAlias = Callable[[slice, slice], FloatArray]

# Measured over OpenBLAS kernels: the score of a pair of vectors varies with its column
# in the matrix by up to 1.01 eps·|q|·|v|. The factor 4 leaves room for other kernels.
ROUNDING: Final = 4 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores of B queries for N items, computed block by block.

    Attributes:
        n_queries: B.
        n_items: N.
        block: returns the `[b, n]` scores of a slice of queries for a slice of items,
            as a new array that the caller may write to.
        margin: `[B]`, the largest difference between two scores that count as equal.
    """

    n_queries: int
    n_items: int
    block: ScoreBlock
    margin: FloatArray


def dot_scorer(queries: FloatArray, items: FloatArray) -> Scorer:
    """Return the scorer `queries @ items.T`; of V vectors per user the maximum counts.

    The rounding of a matrix product depends on the column, so items with identical
    vectors can get slightly different scores. The margin makes them equal.

    Args:
        queries: `[B, D]` float32, or `[B, V, D]` for users of V vectors each.
        items: `[N, D]` float32.

    Raises:
        ValueError: if the two differ in width.
    """
    if queries.shape[-1:] != items.shape[1:]:
        raise ValueError(
            f"queries have the shape {queries.shape} and items the shape "
            f"{items.shape}, but both need the same last dimension; export both from "
            "one model; run: kedro run --pipelines export"
        )
    vectors = with_vector_axis(queries)
    longest = np.linalg.norm(items, axis=1).max(initial=0.0)
    lengths = np.linalg.norm(vectors, axis=2).max(axis=1)
    return Scorer(
        n_queries=len(queries),
        n_items=len(items),
        block=lambda rows, columns: _max_products(vectors[rows], items[columns]),
        margin=(ROUNDING * lengths * longest).astype(np.float32),
    )


def _max_products(vectors: FloatArray, items: FloatArray) -> FloatArray:
    """Return `[b, n]`, the maximum over V of `[b, V, D]` vectors times items."""
    best: FloatArray = vectors[:, 0] @ items.T
    for vector in range(1, vectors.shape[1]):
        np.maximum(best, vectors[:, vector] @ items.T, out=best)
    return best


def item_indices(ids: Ragged) -> Ragged:
    """Return item rows (from 0) of item indices (from 2).

    Padding and out-of-vocabulary items are dropped: they have no item row, and no
    list can hold them.
    """
    in_vocabulary = ids.keep(ids.values >= FIRST_ID)
    return Ragged(in_vocabulary.values - FIRST_ID, in_vocabulary.offsets)


def left_out_items(
    histories: Ragged, other_seen: Ragged | None, seen: SeenItems
) -> Ragged:
    """Return the items that are no candidates of a query, unless they are positives.

    Args:
        histories: B lists of item rows.
        other_seen: B lists of item rows that the users have seen besides; None: none.
        seen: whether seen items are ranked or left out.
    """
    if seen == "ranked":
        return Ragged.empty(len(histories))
    return histories if other_seen is None else histories.join(other_seen)


def without_targets(seen: Ragged, targets: Ragged) -> Ragged:
    """Return the seen items of each query without its positives.

    Args:
        seen: B lists of item rows.
        targets: B lists of item rows.
    """
    return seen.keep(~are_in_lists(seen, targets))


def are_in_lists(items: Ragged, lists: Ragged) -> npt.NDArray[np.bool_]:
    """Return `[V]`, whether each value of a row is in the same row of other lists.

    Args:
        items: B lists of item rows, with V values in all.
        lists: B lists of item rows.
    """
    n_items = 1 + max(items.values.max(initial=0), lists.values.max(initial=0))
    return np.isin(
        items.rows * n_items + items.values, lists.rows * n_items + lists.values
    )


def dot_product_ranks(
    queries: FloatArray,
    items: FloatArray,
    targets: Ragged,
    seen: Ragged,
    *,
    item_block: int,
) -> npt.NDArray[np.int64]:
    """Return `positive_ranks` by dot products.

    Args:
        queries: `[B, D]` float32, or `[B, V, D]` for users of V vectors each.
        items: `[N, D]` float32.
        targets: B lists of item rows, distinct within a list.
        seen: B lists of item rows to leave out; repeats are allowed.
        item_block: items scored at a time.

    Returns:
        `[P]` int64, in the order of `targets.values`.
    """
    return positive_ranks(
        dot_scorer(queries, items), targets, seen, item_block=item_block
    )


def positive_ranks(
    scorer: Scorer, targets: Ragged, seen: Ragged, *, item_block: int
) -> npt.NDArray[np.int64]:
    """Return the rank of each positive among the candidates, 0 for the best.

    Candidates of a query are all unseen items and its positives, seen or not. On equal
    scores other items come before a positive, so a constant scorer gets the last
    ranks. Positives of one query never share a rank.

    Memory is bounded by `item_block`, whatever the number of queries and items.

    Args:
        scorer: scores B queries for N items.
        targets: B lists of item rows, distinct within a list.
        seen: B lists of item rows to leave out; repeats are allowed.
        item_block: items scored at a time.

    Returns:
        `[P]` int64, in the order of `targets.values`.

    Raises:
        ValueError: if a score is not finite, an item row is outside the catalogue, a
            target is repeated in its row, or the numbers of rows differ.
    """
    _check(scorer, targets, seen)
    ranks = np.empty(len(targets.values), np.int64)
    for rows in row_slices(scorer.n_queries, QUERY_BLOCK):
        pairs = slice(targets.offsets[rows.start], targets.offsets[rows.stop])
        if pairs.start < pairs.stop:
            ranks[pairs] = _ranks_of_block(scorer, rows, targets, seen, item_block)
    return ranks


def ranks_in_lists(
    lists: npt.NDArray[np.int64],
    scores: FloatArray,
    targets: Ragged,
    margin: FloatArray,
) -> npt.NDArray[np.float64]:
    """Return the rank of each positive in a top-k list, ties as in `positive_ranks`.

    Args:
        lists: `[B, K]` item rows, padded with -1.
        scores: `[B, K]`, scores of these items; ignored where the list is padded.
        targets: B lists of item rows, distinct within a list.
        margin: `[B]`, the largest difference between two scores that count as equal.

    Returns:
        `[P]` float64, in the order of `targets.values`; infinity for a positive
        outside the list.
    """
    column = np.full(len(targets.values), NOT_LISTED)
    for pairs in row_slices(len(column), PAIR_BLOCK):
        same = lists[targets.rows[pairs]] == targets.values[pairs, None]
        column[pairs] = np.where(same.any(axis=1), same.argmax(axis=1), NOT_LISTED)
    is_listed = column != NOT_LISTED
    # A list is ranked as a catalogue of K items, whose indices are its columns.
    listed = Ragged(column, targets.offsets).keep(is_listed)
    no_seen = Ragged.empty(len(targets))
    filled = np.where(lists == NOT_LISTED, np.finfo(np.float32).min, scores)
    scorer = Scorer(
        n_queries=len(filled),
        n_items=filled.shape[1],
        block=lambda rows, columns: filled[rows, columns].copy(),
        margin=margin,
    )
    ranks = np.full(len(column), np.inf)
    ranks[is_listed] = positive_ranks(
        scorer, listed, no_seen, item_block=filled.shape[1]
    )
    return ranks


def score_blocks(
    scorer: Scorer, rows: slice, item_block: int
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the scores of a slice of queries, one block of items at a time.

    Yields:
        A slice of n items, and the `[b, n]` scores.

    Raises:
        ValueError: if a score is NaN or infinite.
    """
    for columns in row_slices(scorer.n_items, item_block):
        scores = scorer.block(rows, columns)
        if not np.isfinite([scores.min(), scores.max()]).all():
            raise ValueError(
                f"a score of queries {rows.start} to {rows.stop - 1} is NaN or "
                "infinite: the vectors of the model are not finite; look at the loss "
                "in training_history, then run: kedro run --pipelines training"
            )
        yield columns, scores


def mask_items(
    scores: FloatArray, columns: slice, rows: npt.NDArray[np.int64], items: Ragged
) -> None:
    """Set the scores of some items to -inf, in place.

    Args:
        scores: `[b, n]`, a block of scores, modified.
        columns: the items in the block.
        rows: `[V]`, the row of the block for each of `items.values`.
        items: V item rows in all; those outside the block are ignored.
    """
    inside = (items.values >= columns.start) & (items.values < columns.stop)
    scores[rows[inside], items.values[inside] - columns.start] = -np.inf


def _ranks_of_block(
    scorer: Scorer, rows: slice, targets: Ragged, seen: Ragged, item_block: int
) -> npt.NDArray[np.int64]:
    """Return the ranks of the positives of a slice of queries."""
    block = np.arange(rows.start, rows.stop)
    targets, seen = targets.take(block), seen.take(block)
    blocks: Iterable[tuple[slice, FloatArray]]
    blocks = score_blocks(scorer, rows, item_block)
    if scorer.n_items <= item_block:  # one block serves both passes
        blocks = list(blocks)
        own = _scores_of(blocks, targets)
    else:
        own = _scores_of(blocks, targets)
        blocks = score_blocks(scorer, rows, item_block)
    threshold = own - scorer.margin[rows][targets.rows]
    # Sorted by row, then best first: a positive ranks after the better positives.
    order = np.lexsort((-own, targets.rows))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - targets.offsets[targets.rows]
    for columns, scores in blocks:
        mask_items(scores, columns, seen.rows, seen)
        mask_items(scores, columns, targets.rows, targets)
        for pairs in row_slices(len(rank), QUERY_BLOCK):
            ahead = scores[targets.rows[pairs]] >= threshold[pairs, None]
            rank[pairs] += np.count_nonzero(ahead, axis=1)
    return rank


def _scores_of(
    blocks: Iterable[tuple[slice, FloatArray]], targets: Ragged
) -> FloatArray:
    """Return `[P]`, the score of each positive, taken from the ranked blocks."""
    own = np.empty(len(targets.values), np.float32)
    for columns, scores in blocks:
        inside = (targets.values >= columns.start) & (targets.values < columns.stop)
        own[inside] = scores[
            targets.rows[inside], targets.values[inside] - columns.start
        ]
    return own


def _check(scorer: Scorer, targets: Ragged, seen: Ragged) -> None:
    """Raise ValueError if targets or seen items don't fit the scorer."""
    if not len(targets) == len(seen) == scorer.n_queries:
        raise ValueError(
            f"{scorer.n_queries} queries have {len(targets)} rows of targets and "
            f"{len(seen)} rows of seen items; give one row of each per query"
        )
    for name, items in (("targets", targets), ("seen items", seen)):
        outside = (items.values < 0) | (items.values >= scorer.n_items)
        if outside.any():
            raise ValueError(
                f"{outside.sum()} {name} are not among the {scorer.n_items} ranked "
                f"items (first: {items.values[outside][:5].tolist()}); give item "
                f"rows: item indices less {FIRST_ID}"
            )
    pairs = targets.rows * scorer.n_items + targets.values
    if len(np.unique(pairs)) < len(pairs):
        raise ValueError(
            f"{len(pairs) - len(np.unique(pairs))} targets are repeated in their row; "
            "give distinct items"
        )
