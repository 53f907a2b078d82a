"""Search among the items that may be shown: not seen, allowed, not excluded."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from two_tower.index.base import NO_ITEM, Positions, SearchResult, normalise_queries
from two_tower.index.bundle import IndexBundle
from two_tower.index.exact import search_exactly
from two_tower.index.rescoring import merge
from two_tower.index.top_k import in_order
from two_tower.query_vectors import with_vector_axis
from two_tower.ragged import Ragged
from two_tower.types import FloatArray

SMALL_CHOICE: Final = 20_000
"""So many items are scored in less time than an index is searched far beyond k."""

EXACT_FROM_SHARE: Final = 0.5
"""Fetching this share of the catalogue from an index costs more than scoring it."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The items that may be shown to anybody.

    Attributes:
        is_open: `[N]` bool by position; None if all N are.
        n_items: N.
    """

    is_open: npt.NDArray[np.bool_] | None
    n_items: int

    @classmethod
    def of(
        cls, n_items: int, *, allow: Positions | None, exclude: Positions | None
    ) -> "Choice":
        """Return the allowed items (None for all) without the excluded ones."""
        if allow is None and exclude is None:
            return cls(None, n_items)
        is_open = np.full(n_items, allow is None)
        if allow is not None:
            is_open[allow] = True
        if exclude is not None:
            is_open[exclude] = False
        return cls(is_open, n_items)

    @property
    def n_open(self) -> int:
        return self.n_items if self.is_open is None else int(self.is_open.sum())

    @property
    def positions(self) -> Positions | None:
        """`[M]` int64, rising; None if all items are open."""
        return None if self.is_open is None else np.flatnonzero(self.is_open)


def search_filtered(
    bundle: IndexBundle,
    queries: FloatArray,
    k: int,
    *,
    seen: Ragged,
    choice: Choice,
    quota: int | None = None,
) -> SearchResult:
    """Return the `k` best items of each query that may be shown to its user.

    More is fetched from the index than asked for, then twice as much, until enough is
    left without the hidden items; in the end every open item is scored. So a list is
    short only if no further item may be shown. A query's result doesn't depend on the
    queries it is asked with.

    Each of a user's vectors finds k items that may be shown, and these lists are
    merged: k items of V vectors come of V · k candidates, no longer a list than k of
    one.

    Args:
        bundle: the index, and the vectors for exact scores.
        queries: `[B, D]` float, of any length above 0; or `[B, V, D]` for users of V
            vectors each, to whom an item is as near as to the nearest of them.
        k: items to return, at least 1.
        seen: B rows of positions that are hidden from one user; `NO_ITEM` hides none.
        choice: the items that are hidden from nobody.
        quota: items that are taken from each vector's own list first; see `merge`.
            None for no limit.

    Returns:
        `[B, k]`, every item once, padded with `NO_ITEM`.
    """
    by_vector = with_vector_axis(np.asarray(queries, np.float32))
    n_users, n_vectors, dimension = by_vector.shape
    rows = np.repeat(np.arange(n_users), n_vectors)
    single = by_vector.reshape(-1, dimension)
    found = _search_each(bundle, single, k, seen.take(rows), choice)
    if n_vectors == 1:
        return found
    unit = normalise_queries(by_vector, bundle.dimension)
    return merge(unit, bundle.vectors, found, k, quota=quota)


def _search_each(
    bundle: IndexBundle, queries: FloatArray, k: int, seen: Ragged, choice: Choice
) -> SearchResult:
    """Return the same of `[B, D]` queries, each by itself."""
    wanted = k + seen.lengths
    fetch = _plan(wanted, choice)
    scored_from = EXACT_FROM_SHARE * choice.n_items
    positions = np.full((len(queries), k), NO_ITEM, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    pending = np.arange(len(queries))
    while pending.size:
        for size in np.unique(fetch[pending]):
            rows = pending[fetch[pending] == size]
            if size >= scored_from:
                enough = int(wanted[rows].max())
                found = search_exactly(
                    queries[rows], bundle.vectors, enough, among=choice.positions
                )
            else:
                found = bundle.index.search(queries[rows], int(size))
            left = hide(found.positions, seen.take(rows), choice)
            positions[rows], scores[rows] = in_order(left, found.scores, k)
        is_short = positions[pending, -1] == NO_ITEM
        pending = pending[is_short & (fetch[pending] < scored_from)]
        fetch[pending] *= 2
    return SearchResult(positions, scores)


def _plan(wanted: npt.NDArray[np.int64], choice: Choice) -> npt.NDArray[np.int64]:
    """Return `[B]`, how many items to fetch first for so many wanted ones."""
    if choice.n_open <= (SMALL_CHOICE if choice.is_open is not None else 0):
        return np.full(len(wanted), choice.n_items)
    # Powers of two leave few different sizes, and each is one search for many users.
    share_open = choice.n_open / choice.n_items
    return 2 ** np.ceil(np.log2(wanted / share_open)).astype(np.int64)


def hide(positions: Positions, seen: Ragged, choice: Choice) -> Positions:
    """Return `[B, L]` positions with `NO_ITEM` where an item is seen or not open.

    Args:
        positions: `[B, L]` int64.
        seen: B rows of positions that are hidden from one user; `NO_ITEM` hides none.
        choice: the items that are hidden from nobody.
    """
    # One number per row and position; the last of a row is kept for `NO_ITEM`.
    width = choice.n_items + 1
    row = np.arange(len(positions))[:, np.newaxis]
    is_hidden = np.isin(
        row * width + positions % width, seen.rows * width + seen.values % width
    )
    if choice.is_open is not None:
        is_hidden |= ~choice.is_open[positions]
    return np.where(is_hidden | (positions == NO_ITEM), NO_ITEM, positions)
