"""What of a user's history each of the user's vectors stands for."""

import numpy as np

from two_tower.index.base import NO_ITEM, SearchResult, normalise_queries
from two_tower.index.rescoring import cosines_by_vector
from two_tower.index.top_k import top_k
from two_tower.query_vectors import with_vector_axis
from two_tower.ragged import Ragged
from two_tower.types import FloatArray


def similar_history_items(
    queries: FloatArray, vectors: FloatArray, histories: Ragged, k: int
) -> SearchResult:
    """Return the `k` nearest items of each history that belong to each vector.

    An item belongs to the nearest of a user's vectors, of equally near ones the first.
    So no item is told of two vectors; of a single vector it is told anyway.

    Args:
        queries: `[B, D]` or `[B, V, D]` float, of any length above 0.
        vectors: `[N, D]` float32, L2-normalised.
        histories: B rows of positions; `NO_ITEM`, an item without a vector, and the
            repeats of an item are passed over.
        k: how many.

    Returns:
        `[B, V, k]` positions and cosines, nearest first, padded with `NO_ITEM`.
    """
    unit = with_vector_axis(normalise_queries(queries, vectors.shape[1]))
    shape = (*unit.shape[:2], k)
    positions = np.full(shape, NO_ITEM, np.int64)
    scores = np.full(shape, -np.inf, np.float32)
    kept = histories.keep(histories.values != NO_ITEM).distinct()
    # Padded to powers of two: at most every other place is empty.
    widths = 2 ** np.ceil(np.log2(np.maximum(kept.lengths, 1))).astype(np.int64)
    for width in np.unique(widths):
        users = np.flatnonzero(widths == width)
        # `pad` fills with 0, so positions count from 1 meanwhile.
        rows = kept.take(users)
        padded = Ragged(rows.values + 1, rows.offsets).pad(int(width)) - 1
        for block, cosines in cosines_by_vector(unit[users], vectors, padded):
            owner = cosines.argmax(axis=1)
            for vector in range(unit.shape[1]):
                own = np.where(owner == vector, padded[block], NO_ITEM)
                found = top_k(own, cosines[:, vector], k)
                positions[users[block], vector] = found.indices
                scores[users[block], vector] = found.scores
    return SearchResult(positions, scores)
