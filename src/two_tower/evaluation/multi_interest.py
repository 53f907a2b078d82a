"""Description of user vectors by item titles: history, recommended, held-out items.

An item is assigned to the nearest of a user's vectors, on ties to the first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from two_tower.chunking import cut_tables
from two_tower.evaluation.queries import (
    EvaluationQueries,
    read_evaluation_queries,
    read_query_vectors,
    require_same_users,
)
from two_tower.evaluation.top_k_lists import QUERIES_PER_SEARCH
from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult, normalise_queries
from two_tower.index.bundle import IndexBundle
from two_tower.index.rescoring import nearest_vector
from two_tower.index.top_k import top_k
from two_tower.index.vectors import UserVectors, count_vectors, group_by_user
from two_tower.metrics.ranks import dot_product_ranks
from two_tower.params import SeenItems
from two_tower.recommend.explanations import similar_history_items
from two_tower.recommend.seen_filter import ItemFilter, search_filtered
from two_tower.types import FloatArray, Int64Array, JsonObject


@dataclass(frozen=True)
class ListLengths:
    """Lengths of the lists that describe a user.

    Attributes:
        history: history items per vector.
        recommended: candidates per vector; also held-out items per user.
        headline: the k of the top-k list whose items are assigned to vectors.
    """

    history: int
    recommended: int
    headline: int


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All items by index.

    Attributes:
        item_ids: `[N]` int64 or string.
        titles: `[N]` string, null for an item without a title.
        vectors: `[N, D]` float32, L2-normalised.
    """

    item_ids: pa.Array
    titles: pa.Array
    vectors: FloatArray

    def describe(self, item: int, score: float) -> JsonObject:
        """Return the `item_id`, `title` and `score` of an item."""
        return {
            "item_id": self.item_ids[item].as_py(),
            "title": self.titles[item].as_py(),
            "score": score,
        }

    def describe_all(
        self, indices: ItemIndices, scores: FloatArray
    ) -> list[JsonObject]:
        """Return `describe` of each item of a `[K]` list, without the padding."""
        items = zip(indices.tolist(), scores.tolist(), strict=True)
        return [self.describe(*item) for item in items if item[0] != NO_ITEM]


def describe_user_vectors(  # noqa: PLR0913 (the inputs of a node)
    test_queries: ir.Table,
    test_examples: ir.Table,
    bundle: IndexBundle,
    item_vocabulary: ir.Table,
    *,
    seen: SeenItems,
    n_users: int,
    lengths: ListLengths,
) -> JsonObject:
    """Return a description of the vectors of sample users, and of their use by all.

    Args:
        test_queries: one row per vector: `user` (int32), `user_id`, `vector_index`
            (int32, from 0) and `vector` (array<float32>).
        test_examples: `user` (int32, unique), `items`, `targets` and `other_seen`
            (array<int32>).
        bundle: index of all items.
        item_vocabulary: `item` (int32, from 2 without gaps) and `title` (string).
        seen: whether items of a query's history are ranked or left out.
        n_users: number of sample users, evenly spread over the examples.
        lengths: lengths of the lists.

    Returns:
        `n_vectors` (V), `headline`, `all_queries` (`summarise_vectors`, null if V is 1)
        and `users` (`describe_users`). Both are empty without sample users.

    Raises:
        ValueError: if there is no query, or queries, items and index don't match.
    """
    n_vectors = count_vectors(test_queries)
    found: JsonObject = {
        "n_vectors": n_vectors,
        "headline": lengths.headline,
        "all_queries": None,
        "users": [],
    }
    if not n_users:
        return found
    titles = _read_titles(item_vocabulary)
    if len(titles) != bundle.n_items:
        raise ValueError(
            f"item_index holds {bundle.n_items} items and item_vocabulary "
            f"{len(titles)}; run: kedro run --pipelines export,indexing"
        )
    users = _read_users(test_examples)
    sample = users[spread_rows(len(users), n_users)].tolist()
    queries = read_evaluation_queries(test_examples.filter(_.user.isin(sample)), seen)
    vectors = read_query_vectors(
        test_queries.filter(_.user.isin(sample)), queries.users
    )
    if n_vectors > 1:
        chunks = stream_queries(test_queries, test_examples, seen, n_vectors)
        found["all_queries"] = summarise_vectors(chunks, bundle, lengths.headline)
    catalogue = Catalogue(bundle.item_ids, titles, bundle.vectors)
    return found | {"users": describe_users(vectors, queries, catalogue, lengths)}


def stream_queries(
    test_queries: ir.Table, test_examples: ir.Table, seen: SeenItems, n_vectors: int
) -> Iterator[tuple[UserVectors, EvaluationQueries]]:
    """Yield chunks of users with their vectors and queries, ordered by `user`.

    Args:
        test_queries: one row per vector: `user` (int32), `user_id`, `vector_index`
            (int32, from 0) and `vector` (array<float32>).
        test_examples: `user` (int32, unique), `items`, `targets` and `other_seen`
            (array<int32>).
        seen: whether items of a query's history are ranked or left out.
        n_vectors: V, the number of vectors of each user.

    Raises:
        ValueError: if the tables have different users, or a user lacks a vector.
    """
    first_rows = test_queries.filter(test_queries.vector_index == 0)
    require_same_users(*map(_read_users, (first_rows, test_examples)))
    # One joined table, since a connection can stream only one at a time. The items are
    # in the row of each user's first vector.
    examples = test_examples.select(
        *("user", "items", "targets", "other_seen"),
        vector_index=ibis.literal(0, "int32"),
    )
    vectors = test_queries.select("user", "user_id", "vector_index", "vector")
    joined = vectors.left_join(examples, ["user", "vector_index"])
    rows = joined.drop("user_right", "vector_index_right").order_by(
        "user", "vector_index"
    )
    size = QUERIES_PER_SEARCH * n_vectors
    batches = rows.to_pyarrow_batches(chunk_size=size)
    for chunk in cut_tables(batches, rows.schema().to_pyarrow(), repeat(size)):
        is_first = pc.equal(chunk["vector_index"], 0)
        queries = EvaluationQueries.from_arrow(chunk.filter(is_first), seen)
        yield group_by_user(chunk, n_vectors), queries


def summarise_vectors(
    chunks: Iterable[tuple[UserVectors, EvaluationQueries]],
    bundle: IndexBundle,
    k: int,
) -> JsonObject:
    """Return how the vectors share the top-k lists, and how similar they are.

    Args:
        chunks: at least one user in all, each with V ≥ 2 vectors.
        bundle: index that gives the lists of candidates.
        k: the length of a list.

    Returns:
        `n_queries`; `shares`, the share of all listed items assigned to each vector;
        `queries_by_vectors`, the number of lists with items of 1, 2, … V vectors; and
        `mean_cosine`, between two vectors of a user.
    """
    every_item = ItemFilter.of(bundle.n_items, allow=None, exclude=None)
    n_assigned, n_lists, cosines = [], [], []
    for users, queries in chunks:
        n_vectors = users.vectors.shape[1]
        found = search_filtered(
            bundle, users.vectors, k, seen=queries.excluded, item_filter=every_item
        )
        nearest = nearest_vector(users.vectors, bundle.vectors, found.indices)
        is_assigned = nearest[..., np.newaxis] == np.arange(n_vectors)
        n_assigned.append(is_assigned.sum(axis=(0, 1)))
        n_used = is_assigned.any(axis=1).sum(axis=1)
        n_lists.append(np.bincount(n_used, minlength=n_vectors + 1))
        cosines.append(_mean_cosines(users.vectors, bundle.dimension))
    total = np.sum(n_assigned, axis=0)
    return {
        "n_queries": int(np.sum(n_lists)),
        "shares": (total / max(1, total.sum())).tolist(),
        "queries_by_vectors": np.sum(n_lists, axis=0)[1:].tolist(),
        "mean_cosine": float(np.concatenate(cosines).mean()),
    }


def _mean_cosines(vectors: FloatArray, dimension: int) -> npt.NDArray[np.float64]:
    """Return `[B]`, the mean cosine between two of the V vectors of each user."""
    unit = normalise_queries(vectors, dimension).astype(np.float64)
    n_vectors = unit.shape[1]
    # The squared sum of unit vectors is V plus twice the cosines of all pairs.
    squares = (unit.sum(axis=1) ** 2).sum(axis=1)
    cosines: npt.NDArray[np.float64]
    cosines = (squares - n_vectors) / (n_vectors * (n_vectors - 1))
    return cosines


def describe_users(
    users: UserVectors,
    queries: EvaluationQueries,
    catalogue: Catalogue,
    lengths: ListLengths,
) -> list[JsonObject]:
    """Return a description of each user's vectors; see `docs/metrics.md`.

    Args:
        users: B users with their vectors.
        queries: the queries of these users.
        catalogue: all items.
        lengths: lengths of the lists.

    Returns:
        Per user `user_id`, `n_seen`, `n_held_out`, `held_out` (the best-ranked
        positives with their `rank` from 1) and `interests`. These are the user's
        vectors in order of falling share: `vector_index`, `share` of the top-k list,
        and the nearest items assigned to the vector, from the `history` and, of the
        candidates, in `recommended`.
    """
    return [
        _describe_user(
            users.user_ids[row].as_py(),
            users.vectors[row],
            queries.take([row]),
            catalogue,
            lengths,
        )
        for row in range(len(users.users))
    ]


def spread_rows(n_rows: int, n_chosen: int) -> Int64Array:
    """Return up to `n_chosen` of `n_rows` rows, evenly spread, from the first on."""
    chosen = min(n_rows, n_chosen)
    return np.arange(chosen) * n_rows // max(1, chosen)


def _describe_user(
    user_id: int | str,
    vectors: FloatArray,
    query: EvaluationQueries,
    catalogue: Catalogue,
    lengths: ListLengths,
) -> JsonObject:
    by_vector = vectors @ catalogue.vectors.T
    nearest, scores = by_vector.argmax(axis=0), by_vector.max(axis=0)
    candidates = np.arange(len(scores))
    candidates[query.excluded.values] = NO_ITEM
    history = similar_history_items(
        vectors[np.newaxis], catalogue.vectors, query.history, lengths.history
    )
    shares = _vector_shares(nearest, candidates, scores, lengths.headline, len(vectors))
    return {
        "user_id": user_id,
        "n_seen": len(query.history.values),
        "n_held_out": len(query.targets.values),
        "held_out": [
            {
                **catalogue.describe(item, float(scores[item])),
                "rank": rank + 1,
                "vector_index": int(nearest[item]),
            }
            for rank, item in _ranked_positives(vectors, query, catalogue)
        ][: lengths.recommended],
        "interests": [
            {
                "vector_index": vector,
                "share": float(shares[vector]),
                "history": catalogue.describe_all(
                    history.indices[0, vector], history.scores[0, vector]
                ),
                "recommended": catalogue.describe_all(
                    *_best(
                        np.where(nearest == vector, candidates, NO_ITEM),
                        scores,
                        lengths.recommended,
                    )
                ),
            }
            for vector in np.argsort(-shares, kind="stable").tolist()
        ],
    }


def _vector_shares(
    nearest: Int64Array,
    candidates: ItemIndices,
    scores: FloatArray,
    k: int,
    n_vectors: int,
) -> npt.NDArray[np.float64]:
    """Return `[V]`, the share of the top-k candidates assigned to each vector."""
    best = _best(candidates, scores, k).indices
    assigned = nearest[best[best != NO_ITEM]]
    counts = np.bincount(assigned, minlength=n_vectors)
    shares: npt.NDArray[np.float64] = counts / max(1, len(assigned))
    return shares


def _ranked_positives(
    vectors: FloatArray, query: EvaluationQueries, catalogue: Catalogue
) -> list[tuple[int, int]]:
    """Return (rank from 0, item row) of each positive of one query, best first."""
    ranks = dot_product_ranks(
        vectors[np.newaxis],
        catalogue.vectors,
        query.targets,
        query.excluded,
        item_block=len(catalogue.vectors),
    )
    pairs = zip(ranks.tolist(), query.targets.values.tolist(), strict=True)
    return sorted(pairs)


def _best(indices: ItemIndices, scores: FloatArray, k: int) -> SearchResult:
    """Return the `k` best of `[N]` items as a list."""
    found = top_k(indices[np.newaxis], scores[np.newaxis], k)
    return SearchResult(found.indices[0], found.scores[0])


def _read_titles(item_vocabulary: ir.Table) -> pa.Array:
    """Return the title of each item by index, null for an item without one."""
    titles = item_vocabulary.order_by("item").title.to_pyarrow()
    return titles.combine_chunks() if isinstance(titles, pa.ChunkedArray) else titles


def _read_users(table: ir.Table) -> npt.NDArray[np.int32]:
    """Return the column `user` in ascending order."""
    users: npt.NDArray[np.int32]
    users = table.select("user").order_by("user").user.to_pyarrow().to_numpy()
    return users
