"""Pairwise objectives on a batch, against float64 arithmetic."""

from functools import partial

import numpy as np
import pytest

from tests.training.objectives.scores import (
    SHORT,
    TEMPERATURE,
    consumed_of,
    in_batch,
    loss_of,
    mean_tower_vectors,
    own_scores,
)
from two_tower.losses.pointwise import max_margin, sigmoid_cross_entropy
from two_tower.training.objectives.pairwise import Pairwise

pytestmark = pytest.mark.backend


# covers: L2 L3
def test_sigmoid_cross_entropy_is_the_mean_over_a_positives_labels(pairs):
    towers, batch = pairs
    positive, negative, is_negative = own_scores(towers, batch)
    of_negatives = np.where(is_negative, np.log1p(np.exp(negative)), 0).sum(axis=1)
    of_all = np.log1p(np.exp(-positive)) + of_negatives
    losses = of_all / (1 + is_negative.sum(axis=1))
    expected = (losses * batch["weights"]).sum()
    found = loss_of(Pairwise(sigmoid_cross_entropy), towers, batch)
    assert found == pytest.approx(expected, rel=1e-4)


# covers: L2 L4
def test_max_margin_asks_for_a_lead(pairs):
    towers, batch = pairs
    positive, negative, is_negative = own_scores(towers, batch)
    lacking = np.maximum(1 + negative - positive[:, None], 0) * is_negative
    losses = lacking.sum(axis=1) / np.maximum(is_negative.sum(axis=1), 1)
    expected = (losses * batch["weights"]).sum()
    found = loss_of(Pairwise(partial(max_margin, margin=1.0)), towers, batch)
    assert found == pytest.approx(expected, rel=1e-4)


# covers: L3
def test_pairwise_losses_take_shared_candidates_too(towers, positives):
    (batch,) = in_batch(
        SHORT,
        boundaries=[6],
        tokens_per_batch=24,
        log_q=False,
        consumed=consumed_of(SHORT),
    )
    queries, items = mean_tower_vectors(towers, [h for h, _ in positives])
    labels = [label for _, label in positives]
    scores = queries @ items.T / TEMPERATURE
    total = 0
    for row, history, (_, label) in zip(
        scores, [h for h in SHORT for _ in h], positives, strict=True
    ):
        negatives = row[[item for item in labels if item not in history]]
        of_all = np.log1p(np.exp(-row[label])) + np.log1p(np.exp(negatives)).sum()
        total += of_all / (1 + len(negatives))
    found = loss_of(Pairwise(sigmoid_cross_entropy), towers, batch)
    assert found == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("loss", [sigmoid_cross_entropy, partial(max_margin, margin=1)])
def test_a_sampled_positive_is_no_negative_of_itself(pairs, loss):
    towers, batch = pairs
    # All candidates of each query are its own positive: no negative is left.
    own = np.repeat(batch["labels"][:, None], batch["candidates"].shape[1], axis=1)
    weights = np.ones_like(batch["candidate_weights"])
    hits = batch | {"candidates": own, "candidate_weights": weights}
    none = hits | {"candidate_weights": np.zeros_like(weights)}
    assert loss_of(Pairwise(loss), towers, hits) == pytest.approx(
        loss_of(Pairwise(loss), towers, none), rel=1e-6
    )
