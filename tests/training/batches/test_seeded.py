"""Samples of batches derive from the seed and the epoch."""

import numpy as np
import pytest

from tests.training.fit_tiny import (
    N_ITEMS,
    pair_batches,
    position_batches,
    walks,
    window_batches,
)
from two_tower.negatives.uniform import Uniform
from two_tower.training.batches.sampling import BatchSampler

BATCHES = [window_batches, pair_batches, position_batches]


def samples_of(create, *, epoch, seed=1):
    """Return all candidates of an epoch, which don't depend on its positives."""
    items = np.arange(2, N_ITEMS, dtype=np.int32)
    source = Uniform(items, 40, per_query=False, log_q=False)
    batches = create(walks(30), seed=seed, sampler=BatchSampler(source=source))
    batches.begin(epoch)
    return np.concatenate([batch["candidates"] for batch in batches]).tolist()


@pytest.mark.parametrize("create", BATCHES)
def test_each_epoch_has_negatives_of_its_own(create):
    first, again, second = (samples_of(create, epoch=epoch) for epoch in (0, 0, 1))
    assert first == again != second


@pytest.mark.parametrize("create", BATCHES)
def test_each_seed_has_negatives_of_its_own(create):
    assert samples_of(create, epoch=0) != samples_of(create, epoch=0, seed=2)
