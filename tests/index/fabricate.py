"""Small vectors and bundles for tests of indexes, recommenders and evaluation."""

import ibis
import numpy as np
import pyarrow as pa

from two_tower.index.annoy import AnnoyTrees
from two_tower.index.bundle import IndexBundle, Recall, search_golden_queries
from two_tower.index.exact import ExactIndex
from two_tower.query_vectors import with_vector_axis
from two_tower.ragged import Ragged

BACKENDS = {AnnoyTrees: "annoy", ExactIndex: "exact"}


def unit_vectors(n, dimension=8, seed=0):
    """Random directions of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(n, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sign_vectors(n, seed=0):
    """Sixteen times ±1/4: their dot products are exact in float32, and often equal."""
    signs = np.random.default_rng(seed).integers(0, 2, size=(n, 16)) * 2 - 1
    return (signs / 4).astype(np.float32)


def users_of(n_users, n_vectors, seed=1):
    """`[n_users, n_vectors, 8]` random directions of length 1."""
    return unit_vectors(n_users * n_vectors, seed=seed).reshape(n_users, n_vectors, -1)


def ragged(*rows):
    return Ragged.from_lists(rows, np.int64)


def best_cosines(users, vectors):
    """`[B, N]` float64: max over v of cos(u_v, item), one user after the other."""
    scores = []
    for user in users.astype(np.float64):
        unit = user / np.linalg.norm(user, axis=1, keepdims=True)
        scores.append((unit @ vectors.T.astype(np.float64)).max(axis=0))
    return np.array(scores)


def annoy_over(vectors, *, n_trees=10, search_k=1000, at_k=10, seed=7):
    return AnnoyTrees.build(
        vectors, n_trees=n_trees, search_k=search_k, at_k=at_k, seed=seed
    )


def bundle_of(vectors, *, item_ids=None, index=None):
    """A bundle of these vectors; item index i has the id 100 + i."""
    ids = range(100, 100 + len(vectors)) if item_ids is None else item_ids
    index = index or ExactIndex(vectors)
    return IndexBundle(
        backend=BACKENDS[type(index)],
        index=index,
        item_ids=pa.array(ids),
        vectors=vectors,
        recall=Recall(at_k=10, value=1.0, target=0.95, n_queries=3),
        golden=search_golden_queries(index, unit_vectors(3, vectors.shape[1], seed=99)),
        seed=7,
        fingerprints={"two_tower_model": "m", "interactions": "d"},
    )


def user_embeddings(user_ids, vectors):
    """A table of users from 2 on, with one vector each or, of `[n, V, D]`, several."""
    by_vector = with_vector_axis(np.asarray(vectors))
    n_users, n_vectors, _ = by_vector.shape
    lists = [vector.tolist() for user in by_vector for vector in user]
    columns = {
        "user": np.repeat(np.arange(2, n_users + 2, dtype=np.int32), n_vectors),
        "user_id": [one for one in user_ids for _ in range(n_vectors)],
        "vector_index": np.tile(np.arange(n_vectors, dtype=np.int32), n_users),
        "vector": pa.array(lists, pa.list_(pa.float32())),
    }
    return ibis.memtable(pa.table(columns))
