"""The loss of a batch, on either back end, against float64 arithmetic."""

from functools import partial

import numpy as np
import pytest

from tests.training.fit_tiny import (
    CHUNK,
    N_ITEMS,
    build_towers,
    feed_of,
    pair_feed_of,
    walks,
)
from two_tower.losses.pointwise import max_margin, sigmoid_cross_entropy
from two_tower.negatives.consumed import Consumed
from two_tower.negatives.in_batch import InBatch
from two_tower.negatives.log_q import ExactFrequencies, log_share_of_rows
from two_tower.negatives.uniform import Uniform
from two_tower.towers.features import Feature
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.views import Views
from two_tower.training.batches.windows import collate
from two_tower.training.objectives.single_vector import (
    full_softmax,
    own_softmax,
    pairwise,
    self_supervised,
    shared_softmax,
)

TEMPERATURE = 0.2
HISTORIES = walks(12, seed=3)
SHORT = [history[:7] for history in HISTORIES[:4]]


def loss_of(objective, towers, batch):
    return float(objective(towers, batch, temperature=TEMPERATURE, training=False))


def full():
    return partial(full_softmax, known=np.ones(N_ITEMS, bool), chunk=CHUNK)


def in_batch(*, mask_hits=True):
    return partial(shared_softmax, mask_hits=mask_hits, chunk=CHUNK)


def with_source(histories, *, boundaries, tokens_per_batch, log_q=True, **sampler):
    """Return a feed with candidates from the batch."""
    bare = feed_of(histories, boundaries=boundaries, tokens_per_batch=tokens_per_batch)
    log_shares = log_share_of_rows(bare.sequences.count_positives(N_ITEMS))
    source = InBatch(4, ExactFrequencies(log_shares) if log_q else None)
    sampler = BatchSampler(source=source, **sampler)
    return feed_of(
        histories,
        boundaries=boundaries,
        tokens_per_batch=tokens_per_batch,
        sampler=sampler,
    )


def consumed_of(histories):
    users, items = feed_of(
        histories, boundaries=[20], tokens_per_batch=20
    ).sequences.pairs()
    return Consumed.from_pairs(users, items, n_users=90, n_items=N_ITEMS)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def mean_tower_vectors(towers, histories, *, normalise=True):
    """Return the vectors of histories (tuples of ids) and all items, in float64."""
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
    return next(iter(feed_of(SHORT, boundaries=[6], tokens_per_batch=24)))


@pytest.fixture(scope="module")
def positives():
    return positives_of(SHORT)


# covers: Q12
@pytest.mark.backend
def test_full_softmax_tells_each_positive_from_the_catalogue(towers, batch, positives):
    histories, labels = zip(*positives, strict=True)
    queries, items = mean_tower_vectors(towers, histories)
    logits = queries @ items[2:].T / TEMPERATURE
    own = logits[np.arange(len(labels)), np.array(labels) - 2]
    expected = (log_sum_exp(logits) - own).sum()
    assert loss_of(full(), towers, batch) == pytest.approx(expected, rel=1e-4)


# covers: L20
@pytest.mark.backend
def test_full_softmax_leaves_out_what_the_user_has_met(towers, positives):
    catalogue = np.arange(2, N_ITEMS, dtype=np.int32)
    sampler = BatchSampler(consumed=consumed_of(SHORT), catalogue=catalogue)
    (batch,) = feed_of(SHORT, boundaries=[6], tokens_per_batch=24, sampler=sampler)
    queries, items = mean_tower_vectors(towers, [h for h, _ in positives])
    logits = queries @ items[2:].T / TEMPERATURE
    whole = [history for history in SHORT for _ in history]
    total = 0
    for row, history, (_, label) in zip(logits, whole, positives, strict=True):
        rivals = [
            row[i - 2] for i in range(2, N_ITEMS) if i not in {*history} - {label}
        ]
        total += log_sum_exp(np.array(rivals)) - row[label - 2]
    assert loss_of(full(), towers, batch) == pytest.approx(total, rel=1e-4)


# covers: L5 L12 L18 N9
@pytest.mark.backend
@pytest.mark.parametrize("normalise", [True, False])
def test_in_batch_softmax_tells_each_positive_from_the_others(positives, normalise):
    towers = build_towers(normalise=normalise)
    (batch,) = with_source(SHORT, boundaries=[6], tokens_per_batch=24)
    histories, labels = zip(*positives, strict=True)
    queries, items = mean_tower_vectors(towers, histories, normalise=normalise)
    labels = np.array(labels)
    log_q = np.log(np.bincount(labels)[labels] / len(labels))
    logits = queries @ items[labels].T / TEMPERATURE - log_q
    own = np.diagonal(logits)
    is_hit = labels[:, None] == labels
    rivals = np.where(is_hit & ~np.eye(len(labels), dtype=bool), -np.inf, logits)
    expected = (log_sum_exp(rivals) - own).sum()
    assert loss_of(in_batch(), towers, batch) == pytest.approx(expected, rel=1e-4)


# covers: N10
@pytest.mark.backend
def test_without_the_mask_each_repeat_of_the_own_item_is_a_rival(towers, positives):
    (batch,) = with_source(SHORT, boundaries=[6], tokens_per_batch=24, log_q=False)
    histories, labels = zip(*positives, strict=True)
    queries, items = mean_tower_vectors(towers, histories)
    logits = queries @ items[list(labels)].T / TEMPERATURE
    expected = (log_sum_exp(logits) - np.diagonal(logits)).sum()
    found = loss_of(in_batch(mask_hits=False), towers, batch)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope="module")
def pairs():
    """A model of users by id, and pairs with candidates of their own."""
    towers = build_towers("profile")
    source = Uniform(np.arange(2, N_ITEMS), 6, per_query=True, log_q=True)
    feed = pair_feed_of(walks(3), size=16, sampler=BatchSampler(source=source))
    return towers, next(iter(feed))


def scores_of(towers, batch):
    """Return positives' `[P]` and candidates' `[P, n]` logits, hits marked, float64."""
    items = np.asarray(towers.item_tower.table, np.float64)
    users = np.asarray(towers.profile.table, np.float64)
    items, users = unit(items), unit(users)[batch["users"]]
    positive = (users * items[batch["labels"]]).sum(axis=-1) / TEMPERATURE
    own = items[batch["candidates"]]
    negative = np.einsum("pd,pnd->pn", users, own) / TEMPERATURE
    is_rival = batch["candidates"] != batch["labels"][:, None]
    return positive, negative, is_rival


# covers: L18
@pytest.mark.backend
def test_own_candidates_make_a_softmax_of_each_positive(pairs):
    towers, batch = pairs
    positive, negative, is_rival = scores_of(towers, batch)
    rivals = np.where(is_rival, negative - np.log(6 / (N_ITEMS - 2)), -np.inf)
    logits = np.concatenate([positive[:, None], rivals], axis=1)
    expected = ((log_sum_exp(logits) - positive) * batch["weights"]).sum()
    assert loss_of(own_softmax, towers, batch) == pytest.approx(expected, rel=1e-4)


# covers: L2 L3
@pytest.mark.backend
def test_sigmoid_cross_entropy_is_the_mean_over_a_positives_labels(pairs):
    towers, batch = pairs
    positive, negative, is_rival = scores_of(towers, batch)
    of_rivals = np.where(is_rival, np.log1p(np.exp(negative)), 0).sum(axis=1)
    losses = (np.log1p(np.exp(-positive)) + of_rivals) / (1 + is_rival.sum(axis=1))
    expected = (losses * batch["weights"]).sum()
    found = loss_of(partial(pairwise, loss=sigmoid_cross_entropy), towers, batch)
    assert found == pytest.approx(expected, rel=1e-4)


# covers: L2 L4
@pytest.mark.backend
def test_max_margin_asks_for_a_lead(pairs):
    towers, batch = pairs
    positive, negative, is_rival = scores_of(towers, batch)
    lacking = np.maximum(1 + negative - positive[:, None], 0) * is_rival
    losses = lacking.sum(axis=1) / np.maximum(is_rival.sum(axis=1), 1)
    expected = (losses * batch["weights"]).sum()
    objective = partial(pairwise, loss=partial(max_margin, margin=1.0))
    assert loss_of(objective, towers, batch) == pytest.approx(expected, rel=1e-4)


# covers: L3
@pytest.mark.backend
def test_shared_candidates_serve_losses_of_pairs_too(towers, positives):
    sampler = {"consumed": consumed_of(SHORT)}
    (batch,) = with_source(
        SHORT, boundaries=[6], tokens_per_batch=24, log_q=False, **sampler
    )
    queries, items = mean_tower_vectors(towers, [h for h, _ in positives])
    labels = [label for _, label in positives]
    scores = queries @ items.T / TEMPERATURE
    total = 0
    for row, history, (_, label) in zip(
        scores, [h for h in SHORT for _ in h], positives, strict=True
    ):
        rivals = row[[item for item in labels if item not in history]]
        of_all = np.log1p(np.exp(-row[label])) + np.log1p(np.exp(rivals)).sum()
        total += of_all / (1 + len(rivals))
    found = loss_of(partial(pairwise, loss=sigmoid_cross_entropy), towers, batch)
    assert found == pytest.approx(total, rel=1e-4)


# covers: L25
@pytest.mark.backend
def test_self_supervision_adds_alpha_times_the_views_mean_loss():
    features = {
        "genre": Feature("categorical", 6, 1),
        "year": Feature("categorical", 5, 1),
    }
    towers = build_towers("profile", features=features)
    ids = np.arange(N_ITEMS)[:, None]
    towers.item_tower.set_features({"genre": 2 + ids % 4, "year": 2 + ids % 3})
    left, right = np.array([[1, 0, 1]] * 5, bool), np.array([[0, 1, 1]] * 5, bool)
    views = Views(np.int32([2, 5, 9, 10, 11]), left, right)
    sampler = BatchSampler(source=InBatch(4, None), views=lambda rng: views)
    batch = next(iter(pair_feed_of(walks(3), size=16, sampler=sampler)))

    tower = towers.item_tower
    parts = [np.asarray(f.table, np.float64) for f in tower.features.values()]
    chosen = [parts[0][2 + views.items % 4], parts[1][2 + views.items % 3]]
    own = np.asarray(tower.table, np.float64)[views.items]
    logits = unit(chosen[0] + own) @ unit(chosen[1] + own).T / TEMPERATURE
    of_views = (log_sum_exp(logits) - np.diagonal(logits)).mean()
    main = loss_of(in_batch(), towers, batch)
    expected = main + 0.3 * batch["weights"].sum() * of_views
    found = loss_of(partial(self_supervised, main=in_batch(), alpha=0.3), towers, batch)
    assert found == pytest.approx(expected, rel=1e-4)


# covers: Q10
@pytest.mark.parametrize("tower", ["mean", "transformer"])
def test_buckets_have_the_loss_of_one_wide_padded_batch(tower):
    towers = build_towers(tower)
    whole = [history[:13] for history in HISTORIES]
    buckets = feed_of(whole, boundaries=[3, 6, 12], tokens_per_batch=24)
    wide = feed_of(whole, boundaries=[16], tokens_per_batch=16 * len(whole))
    total = sum(loss_of(full(), towers, batch) for batch in buckets)
    (padded,) = wide
    assert len(buckets) > 3
    assert total == pytest.approx(loss_of(full(), towers, padded), rel=1e-5)


# covers: Q10
@pytest.mark.parametrize("tower", ["mean", "transformer"])
def test_an_in_batch_loss_does_not_depend_on_the_width(tower):
    feed = with_source(HISTORIES, boundaries=[3, 6], tokens_per_batch=24)
    towers = build_towers(tower)
    rows = np.flatnonzero(feed.sequences.items.lengths <= 3)[:4]
    found = []
    for width, tokens_per_batch in ((3, 12), (11, 99)):
        batch = collate(
            feed.sequences,
            rows,
            width=width,
            tokens_per_batch=tokens_per_batch,
            chunk=CHUNK,
        )
        feed.sampler.extend(batch, np.random.default_rng(0))
        found.append(loss_of(in_batch(), towers, batch))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
