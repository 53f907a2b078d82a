"""How the vectors of all users share their lists among them."""

from collections.abc import Iterable, Iterator
from itertools import repeat

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from two_tower.evaluation.cases import TestCases, cases_of, require_same_users
from two_tower.evaluation.lists import QUERIES_PER_SEARCH
from two_tower.pieces import cut_tables
from two_tower.retrieval.bundle import IndexBundle
from two_tower.retrieval.embeddings import UserVectors, group_by_user
from two_tower.retrieval.index import normalise_queries
from two_tower.retrieval.rescoring import best_vector
from two_tower.retrieval.shown import Choice, search_shown
from two_tower.types import JsonObject


def stream_queries(
    test_queries: ir.Table, test_examples: ir.Table, n_vectors: int
) -> Iterator[tuple[UserVectors, TestCases]]:
    """Yield some users at a time with their queries, in order of `user`.

    Args:
        test_queries: one row per vector: `user` (int32), `user_id`, `vector_index`
            (int32, from 0) and `vector` (array<float32>).
        test_examples: `user` (int32, unique), `items` and `targets` (array<int32>).
        n_vectors: V, of each user.

    Raises:
        ValueError: if the two hold other users, or one has another number of vectors.
    """
    first_rows = test_queries.filter(test_queries.vector_index == 0)
    require_same_users(*map(_users_of, (first_rows, test_examples)))
    # One table, for a connection streams but one: the items stand beside the first
    # vector of each user.
    examples = test_examples.select(
        "user", "items", "targets", vector_index=ibis.literal(0, "int32")
    )
    vectors = test_queries.select("user", "user_id", "vector_index", "vector")
    joined = vectors.left_join(examples, ["user", "vector_index"])
    rows = joined.drop("user_right", "vector_index_right").order_by(
        "user", "vector_index"
    )
    size = QUERIES_PER_SEARCH * n_vectors
    batches = rows.to_pyarrow_batches(chunk_size=size)
    for piece in cut_tables(batches, rows.schema().to_pyarrow(), repeat(size)):
        users = group_by_user(piece, n_vectors)
        first = pc.equal(piece["vector_index"], 0)
        yield users, cases_of(piece.filter(first))


def _users_of(table: ir.Table) -> npt.NDArray[np.int32]:
    users: npt.NDArray[np.int32]
    users = table.select("user").order_by("user").user.to_pyarrow().to_numpy()
    return users


def summarise_vectors(
    pieces: Iterable[tuple[UserVectors, TestCases]], bundle: IndexBundle, k: int
) -> JsonObject:
    """Return how much of the lists is nearest to each vector, and how alike they are.

    Args:
        pieces: at least one user in all, of V ≥ 2 vectors each.
        bundle: gives the lists, of unseen items, as they are served.
        k: the length of a list.

    Returns:
        `n_queries`; the `shares` of all places, by `vector_index`;
        `queries_by_vectors`, how many lists hold items of 1, 2, … V vectors; and
        `mean_cosine`, between two vectors of a user.
    """
    everything = Choice.of(bundle.n_items, allow=None, exclude=None)
    shares, n_lists, cosines = [], [], []
    for users, cases in pieces:
        n_vectors = users.vectors.shape[1]
        found = search_shown(
            bundle, users.vectors, k, seen=cases.seen, choice=everything
        )
        nearest = best_vector(users.vectors, bundle.vectors, found.positions)
        is_of = nearest[..., np.newaxis] == np.arange(n_vectors)
        shares.append(is_of.sum(axis=(0, 1)))
        n_used = is_of.any(axis=1).sum(axis=1)
        n_lists.append(np.bincount(n_used, minlength=n_vectors + 1))
        unit = normalise_queries(users.vectors, bundle.dimension).astype(np.float64)
        # The square of a sum of unit vectors is V and twice the cosines of all pairs.
        squares = (unit.sum(axis=1) ** 2).sum(axis=1)
        cosines.append((squares - n_vectors) / (n_vectors * (n_vectors - 1)))
    places = np.sum(shares, axis=0)
    return {
        "n_queries": int(np.sum(n_lists)),
        "shares": (places / max(1, places.sum())).tolist(),
        "queries_by_vectors": np.sum(n_lists, axis=0)[1:].tolist(),
        "mean_cosine": float(np.concatenate(cosines).mean()),
    }
