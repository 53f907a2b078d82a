"""A column for each distinct item, with the batch norm of a column for each query."""

import numpy as np
import pytest

from tests.training.fit_tiny import CHUNK, N_ITEMS, build_towers, pair_batches
from two_tower.negatives.base import Candidates, Source
from two_tower.negatives.in_batch import InBatch
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.objectives.softmax import FullSoftmax, SharedSoftmax

pytestmark = pytest.mark.backend

LAYERS = {"hidden_units": [6], "batch_norm": True, "dropout": 0.0}
# Popular items repeat within a batch.
HISTORIES = [[2, 3, 4], [2, 3, 5], [2, 3, 6], [2, 7, 8], [2, 3, 9]]


class OneForEachQuery(Source):
    """In-batch candidates with a column for each query, as in the paper."""

    def sample(self, positives, rng):
        n_queries = len(positives.labels)
        zeros = np.zeros(n_queries, np.float32)
        columns = np.arange(n_queries, dtype=np.int32)
        return Candidates(positives.labels, positives.weights, zeros, zeros, columns)


def trained(source):
    """Return the loss in training, and the moving means of batch norm after it."""
    towers = build_towers("profile", mlp=LAYERS)
    sampler = BatchSampler(source=source)
    batch = next(iter(pair_batches(HISTORIES, size=16, sampler=sampler)))
    objective = SharedSoftmax(mask_hits=True, chunk=CHUNK)
    loss, _ = objective(towers, batch, temperature=0.2, training=True)
    norms = towers.item_tower.mlp.norms
    return float(loss), [np.asarray(norm.moving_mean.value) for norm in norms]


# covers: L10
def test_the_loss_of_distinct_columns_is_that_of_a_column_for_each_query():
    loss, averages = trained(InBatch(4, None))
    expected, expected_averages = trained(OneForEachQuery())
    assert loss == pytest.approx(expected, rel=1e-5)
    for found, mean in zip(averages, expected_averages, strict=True):
        np.testing.assert_allclose(found, mean, 1e-5, 1e-6)


# covers: X11
def test_batch_norm_of_the_catalogue_reads_trained_items_alone():
    is_trained = np.arange(N_ITEMS) >= 2
    is_trained[15:] = False
    towers = build_towers("profile", mlp=LAYERS)
    table = np.asarray(towers.item_tower.table.value)
    batch = next(iter(pair_batches(HISTORIES, size=16)))
    objective = FullSoftmax(is_trained, CHUNK)
    objective(towers, batch, temperature=0.2, training=True)
    found = towers.item_tower.mlp.norms[0].moving_mean.value
    np.testing.assert_allclose(found, 0.01 * table[is_trained].mean(axis=0), 1e-4, 1e-7)
