"""Small vectors and bundles for the tests of retrieval and of what uses it."""

import numpy as np
import pyarrow as pa

from two_tower.index.annoy import AnnoyTrees
from two_tower.index.bundle import IndexBundle, Recall, ask_golden_queries
from two_tower.index.exact import ExactIndex


def unit_vectors(n, dimension=8, seed=0):
    """Directions at random, of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(n, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sign_vectors(n, seed=0):
    """Sixteen times ±1/4: their dot products are exact in float32, and often equal."""
    signs = np.random.default_rng(seed).integers(0, 2, size=(n, 16)) * 2 - 1
    return (signs / 4).astype(np.float32)


def annoy_over(vectors, *, n_trees=10, search_k=1000, at_k=10, seed=7):
    return AnnoyTrees.build(
        vectors, n_trees=n_trees, search_k=search_k, at_k=at_k, seed=seed
    )


def bundle_of(vectors, *, item_ids=None, index=None):
    """A bundle of these vectors; the item at position i is 100 + i."""
    ids = range(100, 100 + len(vectors)) if item_ids is None else item_ids
    index = index or ExactIndex(vectors)
    return IndexBundle(
        index=index,
        item_ids=pa.array(ids),
        vectors=vectors,
        recall=Recall(at_k=10, value=1.0, target=0.95, n_queries=3),
        golden=ask_golden_queries(index, unit_vectors(3, vectors.shape[1], seed=99)),
        seed=7,
        fingerprints={"two_tower_model": "m", "interactions": "d"},
    )
