"""Seen filter: search restricted to unseen, allowed and not excluded items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult, normalise_queries
from two_tower.index.bundle import IndexBundle
from two_tower.index.exact import search_exactly
from two_tower.index.rescoring import merge
from two_tower.index.top_k import top_k
from two_tower.query_vectors import with_vector_axis
from two_tower.ragged import Ragged
from two_tower.types import FloatArray

if TYPE_CHECKING:
    import ibis.expr.types as ir

EXACT_UP_TO_ITEMS: Final = 20_000
"""Scoring this many allowed items takes less time than searching far beyond k."""

EXACT_FROM_SHARE: Final = 0.5
"""Fetching this share of the catalogue from an index costs more than scoring it."""


@dataclass(frozen=True, eq=False)
class ItemFilter:
    """Mask of items, alike for every user.

    Attributes:
        allowed: `[N]` bool, whether an item may be recommended; None: every item may.
        n_items: N.
    """

    allowed: npt.NDArray[np.bool_] | None
    n_items: int

    @classmethod
    def of(
        cls, n_items: int, *, allow: ItemIndices | None, exclude: ItemIndices | None
    ) -> Self:
        """Return the filter of `[M]` allowed (None: all) and `[M]` excluded items."""
        if allow is None and exclude is None:
            return cls(None, n_items)
        allowed = np.full(n_items, allow is None)
        if allow is not None:
            allowed[allow] = True
        if exclude is not None:
            allowed[exclude] = False
        return cls(allowed, n_items)

    @property
    def n_allowed(self) -> int:
        return self.n_items if self.allowed is None else int(self.allowed.sum())

    @property
    def allowed_indices(self) -> ItemIndices | None:
        """`[M]` int64, rising; None if every item is allowed."""
        return None if self.allowed is None else np.flatnonzero(self.allowed)

    def mask(self, indices: ItemIndices, seen: Ragged) -> ItemIndices:
        """Return `[B, L]` item rows, `NO_ITEM` where seen or not allowed.

        Args:
            indices: `[B, L]` int64.
            seen: B lists of item rows, each masked for its own user; `NO_ITEM` masks
                none.
        """
        # One number per user and item; the last of each user is that of `NO_ITEM`.
        width = self.n_items + 1
        user = np.arange(len(indices))[:, np.newaxis]
        is_masked = np.isin(
            user * width + indices % width, seen.rows * width + seen.values % width
        )
        if self.allowed is not None:
            is_masked |= ~self.allowed[indices]
        return np.where(is_masked | (indices == NO_ITEM), NO_ITEM, indices)


def collect_seen(interactions: ir.Table) -> ir.Table:
    """Return `user_id` and `seen_ids` (array), the distinct items of each user.

    Args:
        interactions: `user_id`, `item_id`; all of them, since a user has also seen what
            the selection of a training dropped.
    """
    pairs = interactions.select("user_id", "item_id").distinct()
    return pairs.group_by("user_id").agg(seen_ids=pairs.item_id.collect())


def search_filtered(
    bundle: IndexBundle,
    queries: FloatArray,
    k: int,
    *,
    seen: Ragged,
    item_filter: ItemFilter,
    quota: int | None = None,
) -> SearchResult:
    """Return the `k` best unseen, allowed items of each user.

    The search doubles the number of fetched items until `k` remain after masking, and
    at last scores every allowed item. So a list is short only if no other item is
    left. The result of a query is independent of the other queries in the batch.

    Each of V vectors retrieves `k` items of its own. The V lists are merged and scored
    again, so a user gets `k` items whatever V is.

    Args:
        bundle: the index, and the item vectors for exact scores.
        queries: `[B, D]` float, of any length above 0; or `[B, V, D]` for users of V
            vectors, where the score of an item is the largest of V cosines.
        k: items per user, at least 1; cut to the N items of the index.
        seen: B lists of item rows, each masked for its own user; `NO_ITEM` masks none.
        item_filter: masks items for all users.
        quota: items taken from each vector's own list first; see `merge`. None: no
            quota.

    Returns:
        `[B, min(k, N)]`, without repeats, padded with `NO_ITEM`.
    """
    k = min(k, bundle.n_items)
    by_vector = with_vector_axis(np.asarray(queries, np.float32))
    n_users, n_vectors, dimension = by_vector.shape
    user_of_query = np.repeat(np.arange(n_users), n_vectors)
    flat = by_vector.reshape(-1, dimension)
    found = _search_each_vector(bundle, flat, k, seen.take(user_of_query), item_filter)
    if n_vectors == 1:
        return found
    unit = normalise_queries(by_vector, bundle.dimension)
    return merge(unit, bundle.vectors, found, k, quota=quota)


def _search_each_vector(
    bundle: IndexBundle,
    queries: FloatArray,
    k: int,
    seen: Ragged,
    item_filter: ItemFilter,
) -> SearchResult:
    """Return `search_filtered` of `[B, D]` queries, without a merge."""
    needed = k + seen.lengths
    n_fetched = _first_fetch(needed, item_filter)
    exact_from = EXACT_FROM_SHARE * item_filter.n_items
    indices = np.full((len(queries), k), NO_ITEM, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    pending = np.arange(len(queries))
    while pending.size:
        for size in np.unique(n_fetched[pending]):
            rows = pending[n_fetched[pending] == size]
            if size >= exact_from:
                found = search_exactly(
                    queries[rows],
                    bundle.vectors,
                    int(needed[rows].max()),
                    among=item_filter.allowed_indices,
                )
            else:
                found = bundle.index.search(queries[rows], int(size))
            unmasked = item_filter.mask(found.indices, seen.take(rows))
            indices[rows], scores[rows] = top_k(unmasked, found.scores, k)
        is_short = indices[pending, -1] == NO_ITEM
        pending = pending[is_short & (n_fetched[pending] < exact_from)]
        n_fetched[pending] *= 2
    return SearchResult(indices, scores)


def _first_fetch(
    needed: npt.NDArray[np.int64], item_filter: ItemFilter
) -> npt.NDArray[np.int64]:
    """Return `[B]`, the items to fetch in the first search."""
    n_allowed = item_filter.n_allowed
    if n_allowed <= (EXACT_UP_TO_ITEMS if item_filter.allowed is not None else 0):
        return np.full(len(needed), item_filter.n_items)
    # Powers of two leave few different sizes, and each is one search for many users.
    share_allowed = n_allowed / item_filter.n_items
    return 2 ** np.ceil(np.log2(needed / share_allowed)).astype(np.int64)
