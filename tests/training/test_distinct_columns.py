"""One column for each item, and batch norm as if there were one for each place."""

from functools import partial

import numpy as np
import pytest

from tests.training.fit_tiny import CHUNK, N_ITEMS, build_towers, pair_feed_of
from two_tower.negatives.base import Candidates, Source
from two_tower.negatives.in_batch import InBatch
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.objectives.single_vector import full_softmax, shared_softmax

pytestmark = pytest.mark.backend

LAYERS = {"hidden_units": [6], "batch_norm": True, "dropout": 0.0}
# Popular items repeat within a batch.
HISTORIES = [[2, 3, 4], [2, 3, 5], [2, 3, 6], [2, 7, 8], [2, 3, 9]]


class OneForEachPlace(Source):
    """In-batch candidates as the paper has them."""

    def sample(self, positives, rng):
        n_places = len(positives.labels)
        zeros = np.zeros(n_places, np.float32)
        columns = np.arange(n_places, dtype=np.int32)
        return Candidates(positives.labels, positives.weights, zeros, zeros, columns)


def trained(source):
    """Return the loss while training, and the averages that it leaves."""
    towers = build_towers("profile", mlp=LAYERS)
    sampler = BatchSampler(source=source)
    batch = next(iter(pair_feed_of(HISTORIES, size=16, sampler=sampler)))
    objective = partial(shared_softmax, mask_hits=True, chunk=CHUNK)
    loss = float(objective(towers, batch, temperature=0.2, training=True))
    norms = towers.item_tower.mlp.norms
    return loss, [np.asarray(norm.moving_mean.value) for norm in norms]


# covers: L10
def test_the_loss_of_distinct_columns_is_that_of_one_for_each_place():
    loss, averages = trained(InBatch(4, None))
    expected, expected_averages = trained(OneForEachPlace())
    assert loss == pytest.approx(expected, rel=1e-5)
    for found, mean in zip(averages, expected_averages, strict=True):
        np.testing.assert_allclose(found, mean, 1e-5, 1e-6)


# covers: X11
def test_the_catalogues_statistics_are_of_known_items():
    known = np.arange(N_ITEMS) >= 2
    known[15:] = False
    towers = build_towers("profile", mlp=LAYERS)
    table = np.asarray(towers.item_tower.table.value)
    batch = next(iter(pair_feed_of(HISTORIES, size=16)))
    objective = partial(full_softmax, known=known, chunk=CHUNK)
    objective(towers, batch, temperature=0.2, training=True)
    found = towers.item_tower.mlp.norms[0].moving_mean.value
    np.testing.assert_allclose(found, 0.01 * table[known].mean(axis=0), 1e-4, 1e-7)
