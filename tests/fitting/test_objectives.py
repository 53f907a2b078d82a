"""The loss of a batch, on either back end, against float64 arithmetic."""

from functools import partial

import numpy as np
import pytest

from tests.fitting.tiny import CHUNK, N_ITEMS, build_towers, feed_of, walks
from two_tower.fitting.objectives import full_softmax, shared_softmax
from two_tower.fitting.sequence_feed import collate
from two_tower.negatives.candidates import log_share_of_rows

TEMPERATURE = 0.2
HISTORIES = walks(12, seed=3)


def full():
    return partial(full_softmax, temperature=TEMPERATURE, chunk=CHUNK)


def in_batch(feed, *, mask_hits=True):
    counts = feed.sequences.count_positives(N_ITEMS)
    return partial(
        in_batch_softmax,
        temperature=TEMPERATURE,
        chunk=CHUNK,
        log_shares=log_share_of_rows(counts),
        mask_hits=mask_hits,
    )


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def mean_tower_vectors(towers, histories):
    """Return the unit vectors of histories (tuples of ids), in float64."""
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
    return unit(np.array(vectors)), unit(table)


def positives_of(histories):
    """Return every (history, next item), the first item after no history."""
    return [
        (tuple(history[:place]), history[place])
        for history in histories
        for place in range(len(history))
    ]


def log_sum_exp(logits):
    return np.log(np.exp(logits).sum(axis=-1))


@pytest.fixture(scope="module")
def towers():
    return build_towers()


@pytest.fixture(scope="module")
def batch():
    """All of four histories, too short to be cut."""
    return next(iter(feed_of([h[:7] for h in HISTORIES[:4]], edges=[6], slots=24)))


@pytest.fixture(scope="module")
def positives():
    return positives_of([history[:7] for history in HISTORIES[:4]])


# covers: Q12
@pytest.mark.backend
def test_full_softmax_tells_each_positive_from_the_catalogue(towers, batch, positives):
    histories, labels = zip(*positives, strict=True)
    queries, items = mean_tower_vectors(towers, histories)
    logits = queries @ items[2:].T / TEMPERATURE
    own = logits[np.arange(len(labels)), np.array(labels) - 2]
    expected = (log_sum_exp(logits) - own).sum()
    found = float(full()(towers, batch, training=False))
    assert found == pytest.approx(expected, rel=1e-4)


# covers: L5 N9
@pytest.mark.backend
def test_in_batch_softmax_tells_each_positive_from_the_others(towers, positives):
    feed = feed_of([history[:7] for history in HISTORIES[:4]], edges=[6], slots=24)
    histories, labels = zip(*positives, strict=True)
    queries, items = mean_tower_vectors(towers, histories)
    labels = np.array(labels)
    counts = np.bincount(labels)
    log_q = np.log(counts[labels] / len(labels))
    logits = queries @ items[labels].T / TEMPERATURE - log_q
    own = np.diagonal(logits)
    is_hit = labels[:, None] == labels
    rivals = np.where(is_hit & ~np.eye(len(labels), dtype=bool), -np.inf, logits)
    expected = (log_sum_exp(rivals) - own).sum()
    found = float(in_batch(feed)(towers, next(iter(feed)), training=False))
    assert found == pytest.approx(expected, rel=1e-4)


# covers: Q10
@pytest.mark.parametrize("tower", ["mean", "transformer"])
def test_buckets_have_the_loss_of_one_wide_padded_batch(tower):
    towers, objective = build_towers(tower), full()
    whole = [history[:13] for history in HISTORIES]
    buckets = feed_of(whole, edges=[3, 6, 12], slots=24)
    wide = feed_of(whole, edges=[16], slots=16 * len(whole))
    total = sum(float(objective(towers, batch, training=False)) for batch in buckets)
    (padded,) = wide
    expected = float(objective(towers, padded, training=False))
    assert len(buckets) > 3
    assert total == pytest.approx(expected, rel=1e-5)


# covers: Q10
@pytest.mark.parametrize("tower", ["mean", "transformer"])
def test_an_in_batch_loss_does_not_depend_on_the_width(tower):
    feed = feed_of(HISTORIES, edges=[3, 6])
    towers, objective = build_towers(tower), in_batch(feed)
    rows = np.flatnonzero(feed.sequences.items.lengths <= 3)[:4]
    narrow, wide = (
        collate(feed.sequences, rows, width=width, slots=slots, chunk=CHUNK)
        for width, slots in ((3, 12), (11, 99))
    )
    found = [
        float(objective(towers, batch, training=False)) for batch in (narrow, wide)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_without_the_mask_an_own_item_drawn_again_is_a_rival(towers):
    feed = feed_of(HISTORIES[:4], edges=[12], slots=48)
    batch = next(iter(feed))
    assert max(np.bincount(batch["labels"][batch["weights"] > 0])) > 1
    masked, plain = (
        float(in_batch(feed, mask_hits=mask)(towers, batch, training=False))
        for mask in (True, False)
    )
    assert plain > masked
