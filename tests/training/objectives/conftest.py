"""Small towers, and a batch for them."""

import numpy as np
import pytest

from tests.training.fit_tiny import (
    N_ITEMS,
    build_towers,
    pair_batches,
    walks,
    window_batches,
)
from tests.training.objectives.scores import SHORT, positives_of
from two_tower.negatives.uniform import Uniform
from two_tower.training.batches.sampling import BatchSampler


@pytest.fixture(scope="session")
def towers():
    """Return towers of a mean over histories."""
    return build_towers()


@pytest.fixture(scope="session")
def batch():
    """Return all of four histories, too short to be cut."""
    return next(iter(window_batches(SHORT, boundaries=[6], tokens_per_batch=24)))


@pytest.fixture(scope="session")
def positives():
    """Return the histories and positives of `batch`."""
    return positives_of(SHORT)


@pytest.fixture(scope="session")
def pairs():
    """Return towers of profiles, and pairs with candidates of their own."""
    towers = build_towers("profile")
    source = Uniform(np.arange(2, N_ITEMS), 6, per_query=True, log_q=True)
    batches = pair_batches(walks(3), size=16, sampler=BatchSampler(source=source))
    return towers, next(iter(batches))
