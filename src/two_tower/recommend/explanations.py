"""Explanations: history items similar to each query vector, and lists as text."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from two_tower.index.base import NO_ITEM, SearchResult, normalise_queries
from two_tower.index.rescoring import cosines_by_vector
from two_tower.index.top_k import top_k
from two_tower.query_vectors import with_vector_axis
from two_tower.ragged import Ragged
from two_tower.recommend.recommender import Recommender
from two_tower.types import FloatArray


def similar_history_items(
    queries: FloatArray, vectors: FloatArray, histories: Ragged, k: int
) -> SearchResult:
    """Return the `k` nearest history items of each query vector.

    Each history item is assigned to the user's nearest vector, on ties to the first.
    So an item explains one vector only.

    Args:
        queries: `[B, D]` or `[B, V, D]` float, of any length above 0.
        vectors: `[N, D]` float32, L2-normalised.
        histories: B lists of item rows; `NO_ITEM` (an item without a vector) and
            repeats are skipped.
        k: items per vector.

    Returns:
        `[B, V, k]` item rows and cosines, nearest first, padded with `NO_ITEM`.
    """
    unit = with_vector_axis(normalise_queries(queries, vectors.shape[1]))
    shape = (*unit.shape[:2], k)
    indices = np.full(shape, NO_ITEM, np.int64)
    scores = np.full(shape, -np.inf, np.float32)
    distinct = histories.keep(histories.values != NO_ITEM).distinct()
    # Padded to powers of two, at most half of a row is padding.
    widths = 2 ** np.ceil(np.log2(np.maximum(distinct.lengths, 1))).astype(np.int64)
    for width in np.unique(widths):
        users = np.flatnonzero(widths == width)
        rows = distinct.take(users)
        # `pad` fills with 0, which becomes NO_ITEM.
        padded = Ragged(rows.values + 1, rows.offsets).pad(int(width)) - 1
        for block, cosines in cosines_by_vector(unit[users], vectors, padded):
            assigned = cosines.argmax(axis=1)
            for vector in range(unit.shape[1]):
                own = np.where(assigned == vector, padded[block], NO_ITEM)
                nearest = top_k(own, cosines[:, vector], k)
                indices[users[block], vector] = nearest.indices
                scores[users[block], vector] = nearest.scores
    return SearchResult(indices, scores)


def format_lists(
    batch: pa.RecordBatch, recommender: Recommender, *, n_vectors: int
) -> str:
    """Return the recommendations of a few users as lines of text.

    Args:
        batch: rows of the table `recommendations`.
        recommender: has the items' titles.
        n_vectors: per user; the text names vectors if there are several.
    """
    rows = batch.to_pylist()
    width = max(len(str(name)) for name in ("item", *(row["item_id"] for row in rows)))
    is_single = n_vectors == 1
    vector_header = "" if is_single else "vector  "
    lines: list[str] = []
    for user, group in groupby(rows, key=itemgetter("user_id")):
        items = list(group)
        lines.append(f"user {user}")
        lines += _format_explanations(items, recommender, is_single=is_single)
        lines.append(f"  rank   score  {vector_header}{'item':<{width}}  title")
        lines += [_format_item(item, width, is_single=is_single) for item in items]
    return "\n".join(lines)


def _format_explanations(
    items: Iterable[dict[str, Any]], recommender: Recommender, *, is_single: bool
) -> Iterable[str]:
    """Yield a line for each vector of a list, with its similar history items."""
    similar = {item["vector_index"]: item["similar_history_items"] for item in items}
    for vector in sorted(vector for vector, item_ids in similar.items() if item_ids):
        indices = recommender.require_indices(similar[vector]).tolist()
        titles = recommender.titles.take(pa.array(indices)).to_pylist()
        named = zip(titles, similar[vector], strict=True)
        near = ", ".join(str(title or item_id) for title, item_id in named)
        yield f"  near: {near}" if is_single else f"  vector {vector} is near {near}"


def _format_item(item: dict[str, Any], width: int, *, is_single: bool) -> str:
    vector = "-" if item["vector_index"] is None else item["vector_index"]
    vector_column = "" if is_single else f"{vector:>6}  "
    item_id, title = f"{item['item_id']!s:<{width}}", item["title"] or ""
    line = f"{item['rank']:6d}  {item['score']:6.3f}  {vector_column}{item_id}  {title}"
    return line.rstrip()
