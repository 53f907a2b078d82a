"""At which rank a query's positives stand among all items."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.chunking import row_slices
from two_tower.query_vectors import with_vector_axis
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, FloatArray

QUERY_BLOCK: Final = 256  # rows of scores at a time: with 4,096 items, 4 MB
PAIR_BLOCK: Final = 4096  # positives looked up at a time: in lists of 200, 1 MB
NOWHERE: Final = -1

ScoreBlock: TypeAlias = Callable[[slice, slice], FloatArray]

# Measured over OpenBLAS kernels: the score of one pair of vectors moves with its place
# in the matrix by up to 1.01 times this unit of |q|·|v|. Four leaves room for others.
ROUNDING: Final = 4 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores of B queries for N items.

    Attributes:
        n_queries: B.
        n_items: N.
        block: returns the `[b, n]` scores of a slice of queries for a slice of items,
            as a new array that the caller may write to.
        margin: `[B]`, scores of a query no further apart than this count as equal.
    """

    n_queries: int
    n_items: int
    block: ScoreBlock
    margin: FloatArray


def dot_scorer(queries: FloatArray, items: FloatArray) -> Scorer:
    """Return the scorer `queries @ items.T`, of V vectors the greatest of V products.

    The rounding of a matrix product depends on where a column stands, so two items with
    one and the same vector can come out a little apart. The margin makes them equal.

    Args:
        queries: `[B, D]` float32, or `[B, V, D]` for users of V vectors each.
        items: `[N, D]` float32.

    Raises:
        ValueError: if the two differ in width.
    """
    if queries.shape[-1:] != items.shape[1:]:
        raise ValueError(
            f"queries of shape {queries.shape} can't be scored against items of shape "
            f"{items.shape}; give [B, D] or [B, V, D], and [N, D], from one and the "
            "same model"
        )
    vectors = with_vector_axis(queries)
    longest = np.linalg.norm(items, axis=1).max(initial=0.0)
    lengths = np.linalg.norm(vectors, axis=2).max(axis=1)
    return Scorer(
        n_queries=len(queries),
        n_items=len(items),
        block=lambda rows, columns: _greatest_products(vectors[rows], items[columns]),
        margin=(ROUNDING * lengths * longest).astype(np.float32),
    )


def _greatest_products(vectors: FloatArray, items: FloatArray) -> FloatArray:
    """Return `[b, n]`, the greatest product of `[b, V, D]` vectors with each item."""
    greatest: FloatArray = vectors[:, 0] @ items.T
    for vector in range(1, vectors.shape[1]):
        np.maximum(greatest, vectors[:, vector] @ items.T, out=greatest)
    return greatest


def item_positions(ids: Ragged) -> Ragged:
    """Return dense item ids as positions in the catalogue, dropping those without one.

    Padding and out-of-vocabulary ids (below `FIRST_ID`) have no position. Nothing can
    recommend them, so in a history there is nothing to filter.
    """
    known = ids.keep(ids.values >= FIRST_ID)
    return Ragged(known.values - FIRST_ID, known.offsets)


def without_targets(seen: Ragged, targets: Ragged) -> Ragged:
    """Return the seen items less the query's own positives.

    Args:
        seen: B rows of item positions.
        targets: B rows of item positions.
    """
    n_items = 1 + max(seen.values.max(initial=0), targets.values.max(initial=0))
    is_target = np.isin(
        seen.rows * n_items + seen.values, targets.rows * n_items + targets.values
    )
    return seen.keep(~is_target)


def worst_ranks(
    queries: FloatArray,
    items: FloatArray,
    targets: Ragged,
    seen: Ragged,
    *,
    item_block: int,
) -> npt.NDArray[np.int64]:
    """Return the rank of each positive by `dot_scorer`; see `ranks_by`.

    Args:
        queries: `[B, D]` float32, or `[B, V, D]` for users of V vectors each.
        items: `[N, D]` float32.
        targets: B rows of item positions, distinct within a row.
        seen: B rows of item positions; repeats do no harm.
        item_block: how many items are scored at a time.
    """
    return ranks_by(dot_scorer(queries, items), targets, seen, item_block=item_block)


def ranks_by(
    scorer: Scorer, targets: Ragged, seen: Ragged, *, item_block: int
) -> npt.NDArray[np.int64]:
    """Return the rank of each positive among all items, 0 for the best.

    A query's list holds every item it has not seen, and its positives, seen or not.
    Between a positive and another item of the same score the other item comes first, so
    a scorer that can't tell items apart gets the last ranks. A query's own positives
    never share a rank.

    Memory is bounded by `item_block`, whatever the number of queries and items.

    Args:
        scorer: scores B queries for N items.
        targets: B rows of item positions, distinct within a row.
        seen: B rows of item positions to leave out; repeats do no harm.
        item_block: how many items are scored at a time.

    Returns:
        `[P]` int64, in the order of `targets.values`.

    Raises:
        ValueError: if a score is not finite, a position is outside the catalogue, a row
            holds a target twice, or the numbers of rows differ.
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
    """Return the rank of each positive in a list, ties as in `ranks_by`.

    Args:
        lists: `[B, K]` item positions, -1 after the last one.
        scores: `[B, K]` of the same items; of empty places anything.
        targets: B rows of item positions, distinct within a row.
        margin: `[B]`, scores of a query no further apart than this count as equal.

    Returns:
        `[P]` float64, in the order of `targets.values`; infinity for a positive that
        is not in the list.
    """
    place = np.full(len(targets.values), NOWHERE)
    for pairs in row_slices(len(place), PAIR_BLOCK):
        same = lists[targets.rows[pairs]] == targets.values[pairs, None]
        place[pairs] = np.where(same.any(axis=1), same.argmax(axis=1), NOWHERE)
    is_found = place != NOWHERE
    # Within the lists, an item's place takes the part of its position.
    found = Ragged(place, targets.offsets).keep(is_found)
    empty = Ragged(found.values[:0], np.zeros_like(found.offsets))
    filled = np.where(lists == NOWHERE, np.finfo(np.float32).min, scores)
    scorer = Scorer(
        n_queries=len(filled),
        n_items=filled.shape[1],
        block=lambda rows, columns: filled[rows, columns].copy(),
        margin=margin,
    )
    ranks = np.full(len(place), np.inf)
    ranks[is_found] = ranks_by(scorer, found, empty, item_block=filled.shape[1])
    return ranks


def score_blocks(
    scorer: Scorer, rows: slice, item_block: int
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the scores of these queries, one block of items after the other.

    Raises:
        ValueError: if a score is NaN or infinite.
    """
    for columns in row_slices(scorer.n_items, item_block):
        scores = scorer.block(rows, columns)
        if not np.isfinite([scores.min(), scores.max()]).all():
            raise ValueError(
                f"a score of queries {rows.start} to {rows.stop - 1} is NaN or "
                "infinite, so nothing can be ranked; look at the vectors of the model"
            )
        yield columns, scores


def mask_items(
    scores: FloatArray, columns: slice, rows: npt.NDArray[np.int64], items: Ragged
) -> None:
    """Set these items of these rows to -inf, where they lie in a block of scores.

    Args:
        scores: `[b, n]`, written to.
        columns: the items that the block holds.
        rows: `[V]`, the row of the block that each of `items.values` belongs to.
        items: item positions.
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
    if scorer.n_items <= item_block:  # a single block serves both passes
        blocks = list(blocks)
        own = _scores_of(blocks, targets)
    else:
        own = _scores_of(blocks, targets)
        blocks = score_blocks(scorer, rows, item_block)
    bar = own - scorer.margin[rows][targets.rows]
    # Sorted by row, then best first: a positive stands behind its better siblings.
    order = np.lexsort((-own, targets.rows))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - targets.offsets[targets.rows]
    for columns, scores in blocks:
        mask_items(scores, columns, seen.rows, seen)
        mask_items(scores, columns, targets.rows, targets)
        for pairs in row_slices(len(rank), QUERY_BLOCK):
            ahead = scores[targets.rows[pairs]] >= bar[pairs, None]
            rank[pairs] += np.count_nonzero(ahead, axis=1)
    return rank


def _scores_of(
    blocks: Iterable[tuple[slice, FloatArray]], targets: Ragged
) -> FloatArray:
    """Return `[P]`, the score of each positive, out of the blocks that are ranked."""
    own = np.empty(len(targets.values), np.float32)
    for columns, scores in blocks:
        inside = (targets.values >= columns.start) & (targets.values < columns.stop)
        own[inside] = scores[
            targets.rows[inside], targets.values[inside] - columns.start
        ]
    return own


def _check(scorer: Scorer, targets: Ragged, seen: Ragged) -> None:
    """Raise ValueError where targets or seen items don't fit the scorer."""
    if not len(targets) == len(seen) == scorer.n_queries:
        raise ValueError(
            f"{scorer.n_queries} queries came with {len(targets)} rows of targets and "
            f"{len(seen)} rows of seen items; give one row of each per query"
        )
    for name, items in (("targets", targets), ("seen items", seen)):
        outside = (items.values < 0) | (items.values >= scorer.n_items)
        if outside.any():
            raise ValueError(
                f"{outside.sum()} {name} are not among the {scorer.n_items} items that "
                f"are ranked (first: {items.values[outside][:5].tolist()}); a position "
                f"is a dense item id less {FIRST_ID}"
            )
    pairs = targets.rows * scorer.n_items + targets.values
    if len(np.unique(pairs)) < len(pairs):
        raise ValueError(
            f"{len(pairs) - len(np.unique(pairs))} targets stand in their row twice; "
            "a positive counts once, so give distinct items"
        )
