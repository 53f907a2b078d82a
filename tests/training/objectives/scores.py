"""Scores of small batches in float64, from the weights of the towers alone."""

from functools import partial

import numpy as np

from tests.training.fit_tiny import N_ITEMS, walks, window_batches
from two_tower.negatives.consumed import Consumed
from two_tower.negatives.in_batch import InBatch
from two_tower.negatives.log_q import ExactFrequencies, log_share_of_rows
from two_tower.training.batches.sampling import BatchSampler

TEMPERATURE = 0.2
HISTORIES = walks(12, seed=3)
SHORT = [history[:7] for history in HISTORIES[:4]]


def loss_of(objective, towers, batch):
    loss, metrics = objective(towers, batch, temperature=TEMPERATURE, training=False)
    assert metrics == {}
    return float(loss)


def in_batch(histories, *, boundaries, tokens_per_batch, log_q=True, **sampler):
    """Return batches with candidates from the batch."""
    sizes = {"boundaries": boundaries, "tokens_per_batch": tokens_per_batch}
    bare = window_batches(histories, **sizes)
    log_shares = log_share_of_rows(bare.sequences.count_positives(N_ITEMS))
    source = InBatch(4, ExactFrequencies(log_shares) if log_q else None)
    return window_batches(
        histories, **sizes, sampler=BatchSampler(source=source, **sampler)
    )


def consumed_of(histories):
    users, items = window_batches(
        histories, boundaries=[20], tokens_per_batch=20
    ).sequences.pairs()
    return Consumed.from_pairs(users, items, n_users=90, n_items=N_ITEMS)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def log_sum_exp(logits):
    return np.log(np.exp(logits).sum(axis=-1))


def positives_of(histories):
    """Return every (history, next item), the first item after no history."""
    return [
        (tuple(history[:position]), history[position])
        for history in histories
        for position in range(len(history))
    ]


def mean_tower_vectors(towers, histories, *, normalise=True):
    """Return the vectors of histories (tuples of ids) and of all items."""
    as_array = partial(np.asarray, dtype=np.float64)
    table = as_array(towers.item_tower.table.value)
    vectors = []
    for history in histories:
        if not history:
            vectors.append(as_array(towers.no_history.value))
            continue
        state = table[list(history)].mean(axis=0)
        for layer in towers.history_encoder.hidden:
            weights = as_array(layer.kernel.value), as_array(layer.bias.value)
            state = np.maximum(state @ weights[0] + weights[1], 0)
        last = towers.history_encoder.output_layer
        vectors.append(state @ as_array(last.kernel.value) + as_array(last.bias.value))
    scored = unit if normalise else np.asarray
    return scored(np.array(vectors)), scored(table)


def own_scores(towers, batch):
    """Return scores over the temperature, of profiles and their own candidates.

    Returns:
        Of positives `[P]`, of candidates `[P, n]`, and `[P, n]` bool, False for
        accidental hits.
    """
    items = np.asarray(towers.item_tower.table, np.float64)
    users = np.asarray(towers.profile.table, np.float64)
    items, users = unit(items), unit(users)[batch["users"]]
    positive = (users * items[batch["labels"]]).sum(axis=-1) / TEMPERATURE
    own = items[batch["candidates"]]
    negative = np.einsum("pd,pnd->pn", users, own) / TEMPERATURE
    is_negative = batch["candidates"] != batch["labels"][:, None]
    return positive, negative, is_negative
