"""Batches of positives, and the loss that candidates lead to, by its definition."""

import numpy as np

from two_tower.negatives.base import Candidates, Positives


def queries(labels, *, users=None, weights=None):
    """Return queries with these labels, by default real and of user 2."""
    labels = np.asarray(labels, np.int32)
    users = np.full(labels.shape, 2) if users is None else users
    weights = np.ones(labels.shape) if weights is None else weights
    return Positives(
        np.asarray(users, np.int32), labels, np.asarray(weights, np.float32)
    )


def as_columns_per_query(positives, log_q):
    """Return in-batch candidates as the paper has them: one column for each query."""
    own = log_q[positives.labels]
    is_real = (positives.weights > 0).astype(np.float32)
    columns = np.arange(len(own))
    return Candidates(positives.labels, is_real, own, own, columns)


def cross_entropy(scores, positives, candidates, *, mask_hits):
    """Return Σ_p w_p · (log Z_p - own_p) in float64.

    Args:
        scores: `[P, n_items]`, each query against every item.
        positives: `[P]`.
        candidates: shared, `[Q]`.
        mask_hits: whether the own item's columns are left out, and it is added once.
    """
    every = np.arange(len(scores))
    own = scores[every, positives.labels] - candidates.own_log_q.astype(np.float64)
    logits = scores[:, candidates.ids] - candidates.log_q.astype(np.float64)
    terms = candidates.weights.astype(np.float64) * np.exp(logits)
    if mask_hits:
        terms = np.where(candidates.ids == positives.labels[:, None], 0, terms)
    partition = terms.sum(axis=1) + (np.exp(own) if mask_hits else 0)
    is_real = positives.weights > 0
    losses = np.log(partition[is_real]) - own[is_real]
    return float(positives.weights[is_real].astype(np.float64) @ losses)


def sampled_per_batch(source, positives, n_batches, *, n_items, seed=0):
    """Return `[n_batches, n_items]`, each item's total weight in each batch."""
    rng = np.random.default_rng(seed)
    totals = np.zeros((n_batches, n_items))
    for row in totals:
        ids, weights, *_ = source.sample(positives, rng)
        np.add.at(row, ids.ravel(), weights.ravel())
    return totals
