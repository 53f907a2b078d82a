"""Times that training hides."""

import numpy as np
import pytest

from tests.towers.build import make_encoder
from two_tower.towers.sequence.times import HiddenTimes

pytestmark = pytest.mark.backend

AGES = np.tile(np.int32([[900, 60, 1]]), (2000, 1))


def test_whole_rows_lose_their_times_in_training_alone() -> None:
    layer = HiddenTimes(0.1, seed=1)
    hidden = np.asarray(layer(AGES, training=True))

    is_hidden = (hidden == 0).all(axis=1)
    np.testing.assert_array_equal(hidden[~is_hidden], AGES[~is_hidden])
    assert 0.07 < is_hidden.mean() < 0.13
    assert (np.asarray(layer(AGES, training=True)) != hidden).any()  # another draw
    np.testing.assert_array_equal(np.asarray(layer(AGES)), AGES)


def test_hidden_times_are_read_as_those_of_a_request_without_any() -> None:
    options = {"relative_time": True, "time_gap": True, "relative_position": True}
    encoder = make_encoder("transformer", **options)
    encoder.build()
    encoder.hidden_times.rate = 1.0 - 1e-9
    vectors = np.random.default_rng(1).normal(size=(4, 3, encoder.dimension))
    vectors, is_real = vectors.astype(np.float32), np.ones((4, 3), bool)

    trained = encoder(vectors, is_real, AGES[:4], training=True)
    served = encoder(vectors, is_real, np.zeros_like(AGES[:4]))
    np.testing.assert_allclose(np.asarray(trained), np.asarray(served), atol=1e-6)
    known = np.asarray(encoder(vectors, is_real, AGES[:4]))
    assert np.abs(known - np.asarray(served)).max() > 1e-3
