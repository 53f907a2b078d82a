"""Vectors and ids of items and users, read from tables into arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, FloatArray

if TYPE_CHECKING:
    import ibis.expr.types as ir  # serving does without it


ITEMS_PER_BATCH: Final = 1 << 16
"""Vectors copied at a time: 16 MB of 64 dimensions."""


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """Ids and vectors of all items, in order of the vocabulary.

    Attributes:
        item_ids: `[N]` int64 or string, raw ids.
        vectors: `[N, D]` float32.
    """

    item_ids: pa.Array
    vectors: FloatArray


def read_item_embeddings(item_embeddings: ir.Table) -> ItemVectors:
    """Return the id and vector of every item; raises what `read_item_vectors` raises.

    Args:
        item_embeddings: one row per item: `item` (int32, item index from 2
            without gaps), `item_id`, `vector` (array<float32>), in any order.
    """
    n_items = int(item_embeddings.count().to_pyarrow().as_py())
    batches = item_embeddings.to_pyarrow_batches(chunk_size=ITEMS_PER_BATCH)
    return read_item_vectors(batches, n_items)


@dataclass(frozen=True, eq=False)
class UserVectors:
    """Query vectors of users, in order of `user`.

    Attributes:
        users: `[B]` int32, user indices, rising.
        user_ids: `[B]` int64 or string, raw ids.
        vectors: `[B, V, D]` float32.
    """

    users: npt.NDArray[np.int32]
    user_ids: pa.Array
    vectors: FloatArray

    def take(self, rows: npt.NDArray[np.int64]) -> UserVectors:
        """Return the users of these rows, in this order."""
        ids = self.user_ids.take(pa.array(rows))
        return UserVectors(self.users[rows], ids, self.vectors[rows])


def read_user_vectors(queries: ir.Table) -> UserVectors:
    """Return every user's id and vectors; raises what `group_by_user` raises, too.

    Args:
        queries: one row per vector: `user` (int32), `user_id`, `vector_index` (int32,
            from 0 for each user) and `vector` (array<float32>), in any order.

    Raises:
        ValueError: if there is no `vector_index`.
    """
    require_vector_index(queries)
    columns = queries.select("user", "user_id", "vector_index", "vector")
    return group_by_user(columns.order_by("user", "vector_index").to_pyarrow())


def require_vector_index(queries: ir.Table) -> None:
    """Raise an error if a table of user vectors does not number them.

    Raises:
        ValueError: if there is no column `vector_index`.
    """
    if "vector_index" not in queries.columns:
        raise ValueError(
            "the table of user vectors (user_embeddings or test_queries) has no "
            "column vector_index: it was exported by an earlier version; run: kedro "
            "run --pipelines export"
        )


def group_by_user(rows: pa.Table, n_vectors: int | None = None) -> UserVectors:
    """Return the rows of each user as one.

    Args:
        rows: `user`, `user_id`, `vector_index` and `vector`, in order of `user` and
            `vector_index`.
        n_vectors: V of each user; None: the largest number in these rows.

    Raises:
        ValueError: if a user has not V vectors, numbered from 0.
    """
    users, starts = np.unique(rows["user"].to_numpy(), return_index=True)
    index = rows["vector_index"].to_numpy()
    if n_vectors is None:
        n_vectors = int(index.max(initial=0)) + 1
    expected = np.tile(np.arange(n_vectors), len(users))
    if not np.array_equal(index, expected):
        raise ValueError(_describe_missing(rows, users, n_vectors))
    vectors = stack_vectors(rows["vector"])
    return UserVectors(
        users=users,
        user_ids=plain_ids(rows["user_id"]).take(pa.array(starts)),
        vectors=vectors.reshape(len(users), n_vectors, vectors.shape[1]),
    )


def count_vectors(queries: ir.Table) -> int:
    """Return V, the number of vectors per user; 1 without users.

    Args:
        queries: one row per vector: `vector_index` (int32, from 0 for each user).

    Raises:
        ValueError: if there is no `vector_index`.
    """
    require_vector_index(queries)
    last = queries.vector_index.max().to_pyarrow().as_py()
    return 1 if last is None else int(last) + 1


def read_item_vectors(batches: Iterable[pa.RecordBatch], n_items: int) -> ItemVectors:
    """Return the id and vector of every item, streamed into one array.

    Args:
        batches: `item` (int32, item index from 2), `item_id` (integer or string)
            and `vector` (list<float>, D numbers each), in any order.
        n_items: rows of all batches.

    Raises:
        ValueError: if there is no item, an item index is missing, repeated or
            below 2, or the lengths of vectors differ.
    """
    vectors = np.empty((0, 0), np.float32)
    filled = np.zeros(n_items, bool)
    indices: list[npt.NDArray[np.int64]] = []
    ids: list[pa.Array] = []
    for batch in batches:
        rows = stack_vectors(batch.column("vector"))
        items = batch.column("item").to_numpy().astype(np.int64) - FIRST_ID
        if not vectors.size:
            vectors = np.empty((n_items, rows.shape[1]), np.float32)
        _require_new_items(items, filled)
        filled[items] = True
        vectors[items] = _require_dimension(rows, vectors.shape[1])
        indices.append(items)
        ids.append(plain_ids(batch.column("item_id")))
    if not indices or not filled.all():
        raise ValueError(
            f"item_embeddings has {int(filled.sum())} of {n_items} items; "
            "run: kedro run --pipelines export"
        )
    order = np.argsort(np.concatenate(indices))
    return ItemVectors(pa.concat_arrays(ids).take(pa.array(order)), vectors)


def stack_vectors(column: Any) -> FloatArray:
    """Return a column of equally long lists as `[n, D]` float32.

    Args:
        column: Arrow list array (or chunked array) of floats.

    Raises:
        ValueError: if a vector is null or the lengths differ.
    """
    lists = Ragged.from_arrow(column)
    lengths = np.unique(lists.lengths)
    if len(lengths) > 1:
        raise ValueError(
            f"vectors have between {lengths[0]} and {lengths[-1]} dimensions; "
            "all must have the same"
        )
    dimension = int(lengths[0]) if lengths.size else 0
    return lists.values.astype(np.float32, copy=False).reshape(len(lists), dimension)


def plain_ids(ids: Any) -> pa.Array:
    """Return ids as one Arrow array of int64 or string.

    Raises:
        ValueError: if they are of another type, or one is null.
    """
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    if ids.null_count:
        raise ValueError(f"{ids.null_count} of {len(ids)} ids are null")
    if pa.types.is_integer(ids.type):
        return ids.cast(pa.int64())
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if any(is_text(ids.type) for is_text in texts):
        return ids.cast(pa.string())
    raise ValueError(f"ids are of type {ids.type}; they must be integers or strings")


def _describe_missing(
    rows: pa.Table, users: npt.NDArray[np.int32], n_vectors: int
) -> str:
    """Return the message about users who lack a vector, or have one twice."""
    row_user = np.searchsorted(users, rows["user"].to_numpy())
    flat = row_user * n_vectors + rows["vector_index"].to_numpy()
    n_found = np.bincount(flat, minlength=len(users) * n_vectors)
    wrong = np.flatnonzero((n_found.reshape(-1, n_vectors) != 1).any(axis=1))
    first = int(np.searchsorted(row_user, wrong[0]))
    found = rows["vector_index"].to_numpy()[row_user == wrong[0]].tolist()
    return (
        f"{len(wrong)} of {len(users)} users do not have the vectors 0 to "
        f"{n_vectors - 1}, each once (first: {rows['user_id'][first].as_py()!r}, whose "
        f"vector_index are {found}); the model gives every user as many vectors; run: "
        "kedro run --pipelines export"
    )


def _require_new_items(
    items: npt.NDArray[np.int64], filled: npt.NDArray[np.bool_]
) -> None:
    outside = (items < 0) | (items >= len(filled))
    if outside.any():
        raise ValueError(
            f"item_embeddings has the item index {items[outside][0] + FIRST_ID}; the "
            f"indices of {len(filled)} items are {FIRST_ID} to "
            f"{len(filled) + FIRST_ID - 1}"
        )
    if len(np.unique(items)) < len(items) or filled[items].any():
        raise ValueError("item_embeddings has an item index twice")


def _require_dimension(vectors: FloatArray, dimension: int) -> FloatArray:
    if vectors.shape[1] != dimension:
        raise ValueError(
            f"item_embeddings has vectors of {dimension} and of {vectors.shape[1]} "
            "dimensions; all must have the same"
        )
    return vectors
