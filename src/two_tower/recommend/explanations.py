"""Explanations: similar history items of items and query vectors, lists as text."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from textwrap import wrap
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.chunking import row_slices
from two_tower.index.base import (
    NO_ITEM,
    ItemIndices,
    SearchResult,
    normalise_queries,
)
from two_tower.index.rescoring import cosines_by_vector
from two_tower.index.top_k import top_k
from two_tower.query_vectors import with_vector_axis
from two_tower.ragged import Ragged
from two_tower.types import FloatArray

RANKS_PER_BLOCK: Final = 16
"""Items of a list explained at a time: 8 MB of cosines beside those of one block."""


LINE_WIDTH: Final = 60
"""Columns of a line in the log of a terminal of 80 columns."""


def explain_items(
    items: ItemIndices, vectors: FloatArray, histories: Ragged, n: int
) -> SearchResult:
    """Return the `n` history items nearest to each recommended item.

    An item of the history is not explained by itself.

    Args:
        items: `[B, k]` int64, recommended items, or `NO_ITEM`.
        vectors: `[N, D]` float32, L2-normalised.
        histories: B lists of item rows; `NO_ITEM` (an item without a vector) and
            repeats are skipped.
        n: history items per recommended item; 0 for none.

    Returns:
        `[B, k, n]` item rows and cosines, nearest first, padded with `NO_ITEM`.
    """
    indices, scores = _nothing((*items.shape, n))
    for users, padded in _group_by_width(histories) if n else ():
        for ranks in row_slices(items.shape[1], RANKS_PER_BLOCK):
            explained = items[users, ranks]
            for block, cosines in cosines_by_vector(
                vectors[explained], vectors, padded
            ):
                own = padded[block][:, np.newaxis]
                is_itself = own == explained[block][..., np.newaxis]
                others = np.where(is_itself, NO_ITEM, own)
                nearest = top_k(
                    others.reshape(-1, others.shape[-1]),
                    cosines.reshape(-1, others.shape[-1]),
                    n,
                )
                shape = (*others.shape[:2], n)
                indices[users[block], ranks] = nearest.indices.reshape(shape)
                scores[users[block], ranks] = nearest.scores.reshape(shape)
    # An empty rank (-1) was read as the last item.
    indices[items == NO_ITEM], scores[items == NO_ITEM] = NO_ITEM, -np.inf
    return SearchResult(indices, scores)


def similar_history_items(
    queries: FloatArray, vectors: FloatArray, histories: Ragged, k: int
) -> SearchResult:
    """Return the `k` nearest history items of each query vector.

    Each history item is assigned to the user's nearest vector, on ties to the first.
    So an item describes one vector only.

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
    indices, scores = _nothing((*unit.shape[:2], k))
    for users, padded in _group_by_width(histories):
        for block, cosines in cosines_by_vector(unit[users], vectors, padded):
            assigned = cosines.argmax(axis=1)
            for vector in range(unit.shape[1]):
                own = np.where(assigned == vector, padded[block], NO_ITEM)
                nearest = top_k(own, cosines[:, vector], k)
                indices[users[block], vector] = nearest.indices
                scores[users[block], vector] = nearest.scores
    return SearchResult(indices, scores)


def _nothing(shape: tuple[int, ...]) -> SearchResult:
    return SearchResult(
        np.full(shape, NO_ITEM, np.int64), np.full(shape, -np.inf, np.float32)
    )


def _group_by_width(
    histories: Ragged,
) -> Iterator[tuple[npt.NDArray[np.int64], ItemIndices]]:
    """Yield users whose histories have about one length.

    Yields:
        `[b]` users, and their `[b, L]` distinct history items, padded with `NO_ITEM`.
    """
    distinct = histories.keep(histories.values != NO_ITEM).distinct()
    # Padded to powers of two, at most half of a row is padding.
    widths = 2 ** np.ceil(np.log2(np.maximum(distinct.lengths, 1))).astype(np.int64)
    for width in np.unique(widths):
        users = np.flatnonzero(widths == width)
        rows = distinct.take(users)
        # `pad` fills with 0, which becomes NO_ITEM.
        yield users, Ragged(rows.values + 1, rows.offsets).pad(int(width)) - 1


def format_lists(batch: pa.RecordBatch, *, n_vectors: int) -> str:
    """Return the recommendations of a few users as lines of text.

    Args:
        batch: rows of the table `recommendations`.
        n_vectors: per user; the text names vectors if there are several.
    """
    rows = batch.to_pylist()
    width = max(len(str(name)) for name in ("item", *(row["item_id"] for row in rows)))
    is_single = n_vectors == 1
    vector_header = "" if is_single else "vector  "
    lines: list[str] = []
    for user, group in groupby(rows, key=itemgetter("user_id")):
        lines.append(f"user {user}")
        lines.append(f"  rank   score  {vector_header}{'item':<{width}}  title")
        for item in group:
            lines += _format_item(item, width, is_single=is_single)
    return "\n".join(lines)


def _format_item(item: dict[str, Any], width: int, *, is_single: bool) -> Iterator[str]:
    """Yield a line of an item and, if it is explained, those of its explanation."""
    vector = "-" if item["vector_index"] is None else item["vector_index"]
    vector_column = "" if is_single else f"{vector:>6}  "
    item_id, title = f"{item['item_id']!s:<{width}}", item["title"] or ""
    line = f"{item['rank']:6d}  {item['score']:6.3f}  {vector_column}{item_id}  {title}"
    yield line.rstrip()
    similar = zip(
        item["similar_history_titles"], item["similar_history_items"], strict=True
    )
    if names := ", ".join(str(title or item_id) for title, item_id in similar):
        indent = " " * 8
        yield from wrap(
            f"similar to {names}",
            LINE_WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
        )
