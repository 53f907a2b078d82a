"""Softmax objectives on a batch, against float64 arithmetic."""

import numpy as np
import pytest

from tests.training.fit_tiny import CHUNK, N_ITEMS, build_towers, window_batches
from tests.training.objectives.scores import (
    HISTORIES,
    SHORT,
    TEMPERATURE,
    consumed_of,
    in_batch,
    log_sum_exp,
    loss_of,
    mean_tower_vectors,
    own_scores,
)
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.windows import collate
from two_tower.training.objectives.softmax import (
    FullSoftmax,
    OwnSoftmax,
    SharedSoftmax,
)

FULL = FullSoftmax(np.ones(N_ITEMS, bool), CHUNK)
SHARED = SharedSoftmax(mask_hits=True, chunk=CHUNK)


# covers: Q12
@pytest.mark.backend
def test_full_softmax_contrasts_each_positive_with_the_catalogue(
    towers, batch, positives
):
    histories, labels = zip(*positives, strict=True)
    queries, items = mean_tower_vectors(towers, histories)
    logits = queries @ items[2:].T / TEMPERATURE
    own = logits[np.arange(len(labels)), np.array(labels) - 2]
    expected = (log_sum_exp(logits) - own).sum()
    assert loss_of(FULL, towers, batch) == pytest.approx(expected, rel=1e-4)


# covers: L20
@pytest.mark.backend
def test_full_softmax_masks_the_consumed_items_of_the_user(towers, positives):
    catalogue = np.arange(2, N_ITEMS, dtype=np.int32)
    sampler = BatchSampler(consumed=consumed_of(SHORT), catalogue=catalogue)
    (batch,) = window_batches(
        SHORT, boundaries=[6], tokens_per_batch=24, sampler=sampler
    )
    queries, items = mean_tower_vectors(towers, [h for h, _ in positives])
    logits = queries @ items[2:].T / TEMPERATURE
    whole = [history for history in SHORT for _ in history]
    total = 0
    for row, history, (_, label) in zip(logits, whole, positives, strict=True):
        open_items = [i for i in range(2, N_ITEMS) if i not in {*history} - {label}]
        total += log_sum_exp(row[np.array(open_items) - 2]) - row[label - 2]
    assert loss_of(FULL, towers, batch) == pytest.approx(total, rel=1e-4)


# covers: L5 L12 L18 N9
@pytest.mark.backend
@pytest.mark.parametrize("normalise", [True, False])
def test_in_batch_softmax_contrasts_each_positive_with_the_others(positives, normalise):
    towers = build_towers(normalise=normalise)
    (batch,) = in_batch(SHORT, boundaries=[6], tokens_per_batch=24)
    histories, labels = zip(*positives, strict=True)
    queries, items = mean_tower_vectors(towers, histories, normalise=normalise)
    labels = np.array(labels)
    log_q = np.log(np.bincount(labels)[labels] / len(labels))
    logits = queries @ items[labels].T / TEMPERATURE - log_q
    own = np.diagonal(logits)
    is_hit = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    expected = (log_sum_exp(np.where(is_hit, -np.inf, logits)) - own).sum()
    assert loss_of(SHARED, towers, batch) == pytest.approx(expected, rel=1e-4)


# covers: N10
@pytest.mark.backend
def test_without_the_mask_each_repeat_of_the_own_item_is_a_negative(towers, positives):
    (batch,) = in_batch(SHORT, boundaries=[6], tokens_per_batch=24, log_q=False)
    histories, labels = zip(*positives, strict=True)
    queries, items = mean_tower_vectors(towers, histories)
    logits = queries @ items[list(labels)].T / TEMPERATURE
    expected = (log_sum_exp(logits) - np.diagonal(logits)).sum()
    found = loss_of(SharedSoftmax(mask_hits=False, chunk=CHUNK), towers, batch)
    assert found == pytest.approx(expected, rel=1e-4)


# covers: L18
@pytest.mark.backend
def test_own_candidates_make_a_softmax_of_each_positive(pairs):
    towers, batch = pairs
    positive, negative, is_negative = own_scores(towers, batch)
    corrected = np.where(is_negative, negative - np.log(6 / (N_ITEMS - 2)), -np.inf)
    logits = np.concatenate([positive[:, None], corrected], axis=1)
    expected = ((log_sum_exp(logits) - positive) * batch["weights"]).sum()
    assert loss_of(OwnSoftmax(), towers, batch) == pytest.approx(expected, rel=1e-4)


# covers: Q10
@pytest.mark.parametrize("tower", ["mean", "transformer"])
def test_buckets_have_the_loss_of_one_wide_padded_batch(tower):
    towers = build_towers(tower)
    whole = [history[:13] for history in HISTORIES]
    buckets = window_batches(whole, boundaries=[3, 6, 12], tokens_per_batch=24)
    wide = window_batches(whole, boundaries=[16], tokens_per_batch=16 * len(whole))
    total = sum(loss_of(FULL, towers, batch) for batch in buckets)
    (padded,) = wide
    assert len(buckets) > 3
    assert total == pytest.approx(loss_of(FULL, towers, padded), rel=1e-5)


# covers: Q10
@pytest.mark.parametrize("tower", ["mean", "transformer"])
def test_an_in_batch_loss_does_not_depend_on_the_width(tower):
    batches = in_batch(HISTORIES, boundaries=[3, 6], tokens_per_batch=24)
    towers = build_towers(tower)
    rows = np.flatnonzero(batches.sequences.items.lengths <= 3)[:4]
    found = []
    for width, tokens_per_batch in ((3, 12), (11, 99)):
        batch = collate(
            batches.sequences,
            rows,
            width=width,
            tokens_per_batch=tokens_per_batch,
            chunk=CHUNK,
        )
        batches.sampler.extend(batch, np.random.default_rng(0))
        found.append(loss_of(SHARED, towers, batch))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
