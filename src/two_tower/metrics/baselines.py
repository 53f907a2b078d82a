"""Baselines: most popular items, EASE, and random order."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.metrics.accuracy import QueryMetrics, discounts
from two_tower.metrics.ranks import Scorer
from two_tower.ragged import Ragged
from two_tower.types import FloatArray, Int64Array

SparseMatrix: TypeAlias = Any  # scipy.sparse.csr_matrix, which has no type stubs


def popularity_scorer(n_train: npt.NDArray[np.int64], n_queries: int) -> Scorer:
    """Return the scorer that ranks items by popularity, the same for every query.

    Args:
        n_train: `[N]`, training interactions of each item.
        n_queries: B.
    """
    # The rank of a count, since float32 represents integers only up to 16 million.
    _, rank = np.unique(n_train, return_inverse=True)
    scores = rank.astype(np.float32)
    return Scorer(
        n_queries=n_queries,
        n_items=len(n_train),
        block=lambda rows, columns: np.tile(
            scores[columns], (rows.stop - rows.start, 1)
        ),
        margin=np.zeros(n_queries, np.float32),
    )


def interaction_matrix(items: Ragged, n_items: int) -> SparseMatrix:
    """Return `[R, N]` float32 (CSR), 1 where a row holds an item, else 0.

    Args:
        items: R lists of item rows; repeats count once.
        n_items: N.
    """
    from scipy.sparse import csr_matrix

    shape = (len(items), n_items)
    ones = np.ones(len(items.values), np.float32)
    matrix = csr_matrix((ones, (items.rows, items.values)), shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def fit_ease(interactions: SparseMatrix, *, l2: float) -> FloatArray:
    """Return the item-to-item weights of EASE in closed form.

    With X the interactions, `B = argmin |X - XB|² + l2·|B|²` subject to a zero
    diagonal. The solution is `B[i, j] = -P[i, j] / P[j, j]` off the diagonal, with
    `P = (XᵀX + l2·I)⁻¹`. Solved in float64; memory is about three `[N, N]` matrices,
    time grows with N³.

    Args:
        interactions: `[U, N]` (CSR), 1 where a user had an item in training.
        l2: above 0; a larger value shrinks the weights of rare items.

    Returns:
        `[N, N]` float32.

    Raises:
        ValueError: if `l2` is too small to solve it in float64.

    References:
        Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, eq. 8.
    """
    from scipy.linalg.lapack import dpotrf, dpotri

    gram = (interactions.T @ interactions).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += l2
    # Symmetric; the transpose has the Fortran order that LAPACK can overwrite.
    factor, failed = dpotrf(gram.T, lower=True, clean=True, overwrite_a=True)
    if failed:
        raise ValueError(
            f"EASE can't be solved with l2 = {l2}: the co-occurrence matrix is not "
            "positive definite in float64; raise l2"
        )
    half, _ = dpotri(factor, lower=True, overwrite_c=True)
    # In row-major order, which the sparse product reads; the matrix is symmetric.
    weights: FloatArray = half.T.astype(np.float32, order="C")
    weights += np.triu(weights, 1).T
    weights *= (-1 / np.diag(half)).astype(np.float32)
    np.fill_diagonal(weights, 0)
    return weights


def ease_scorer(weights: FloatArray, histories: SparseMatrix) -> Scorer:
    """Return the scorer `histories @ weights`.

    Args:
        weights: `[N, N]` float32, from `fit_ease`.
        histories: `[B, N]` (CSR), 1 for each item in a query's history.
    """
    n_queries, n_items = histories.shape
    return Scorer(
        n_queries=n_queries,
        n_items=n_items,
        block=lambda rows, columns: histories[rows] @ weights[:, columns],
        margin=np.zeros(n_queries, np.float32),
    )


def replace_rows(
    scorer: Scorer, other: Scorer, is_replaced: npt.NDArray[np.bool_]
) -> Scorer:
    """Return a scorer that scores some queries as another one does.

    Args:
        scorer: of B queries and N items.
        other: of the same queries and items.
        is_replaced: `[B]`, the queries that `other` scores.
    """

    def block(rows: slice, columns: slice) -> FloatArray:
        return np.where(
            is_replaced[rows, None],
            other.block(rows, columns),
            scorer.block(rows, columns),
        )

    margin = np.where(is_replaced, other.margin, scorer.margin)
    return Scorer(scorer.n_queries, scorer.n_items, block, margin)


def random_order_metrics(
    n_candidates: Int64Array, n_positives: Int64Array, *, cutoffs: Sequence[int]
) -> QueryMetrics:
    """Return the expected metrics of each query if its candidates are shuffled.

    With P positives among the N candidates of a query, every order equally likely:

    - `hr@k`: 1 - C(N - P, k) / C(N, k), which is k / N for one positive;
    - `recall@k`: k / N · P / min(k, P);
    - `ndcg@k`: P / N times the sum of 1 / log2(r + 2) over r < k, divided by the sum
      over the first min(k, P) ranks;

    each with k = N where k is more than N.

    Args:
        n_candidates: `[B]`, N of each query.
        n_positives: `[B]`, P of each query, from 1 to N.
        cutoffs: the k, each at least 1.

    Returns:
        `[B]` float64 for each metric, in [0, 1].
    """
    gain = np.cumsum(discounts(max(cutoffs)))
    share = n_positives / n_candidates
    # C(N - P, k) / C(N, k) = Π (N - k - j) / (N - j) over j < P.
    starts = np.cumsum(n_positives) - n_positives
    before = np.arange(n_positives.sum()) - np.repeat(starts, n_positives)
    left = np.repeat(n_candidates, n_positives) - before
    metrics = {}
    for k in cutoffs:
        length = np.minimum(k, n_candidates)
        ideal = np.minimum(k, n_positives)
        miss_rate = np.multiply.reduceat(np.maximum(left - k, 0) / left, starts)
        metrics[f"hr@{k}"] = 1 - miss_rate
        metrics[f"recall@{k}"] = length * share / ideal
        metrics[f"ndcg@{k}"] = share * gain[length - 1] / gain[ideal - 1]
    return metrics
