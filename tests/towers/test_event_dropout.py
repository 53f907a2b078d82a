import numpy as np
import pytest

from tests.towers.build import make_encoder
from two_tower.towers.event_dropout import EventDropout

pytestmark = pytest.mark.backend

AGES = np.tile(np.int32([[900, 60, 1]]), (2000, 1))
RATINGS = np.tile(np.float32([[1.0, 4.5, np.nan]]), (2000, 1))
HOURS = np.arange(1, 2001, dtype=np.int32)


def drop(layer, *, training):
    fields = {"ages": AGES, "ratings": RATINGS, "request_hours": HOURS}
    found = layer(fields, training=training)
    return [np.asarray(found[name]) for name in fields]


def test_some_histories_lose_all_events_in_training_only():
    layer = EventDropout(0.1, seed=1)
    ages, ratings, hours = drop(layer, training=True)

    is_dropped = hours == 0
    assert 0.07 < is_dropped.mean() < 0.13
    np.testing.assert_array_equal(ages, np.where(is_dropped[:, None], 0, AGES))
    np.testing.assert_array_equal(
        ratings, np.where(is_dropped[:, None], np.nan, RATINGS)
    )
    np.testing.assert_array_equal(hours, np.where(is_dropped, 0, HOURS))
    assert (drop(layer, training=True)[2] != hours).any()  # a new mask
    np.testing.assert_array_equal(drop(layer, training=False)[2], HOURS)


def test_dropped_times_are_unknown_times():
    options = {"relative_time": True, "time_gap": True, "relative_position": True}
    encoder = make_encoder("transformer", **options)
    encoder.build()
    encoder.hidden_events.rate = 1.0 - 1e-9
    vectors = np.random.default_rng(1).normal(size=(4, 3, encoder.dimension))
    vectors, is_real = vectors.astype(np.float32), np.ones((4, 3), bool)

    trained = encoder(vectors, is_real, AGES[:4], training=True)
    served = encoder(vectors, is_real, np.zeros_like(AGES[:4]))
    np.testing.assert_allclose(np.asarray(trained), np.asarray(served), atol=1e-6)
    known = np.asarray(encoder(vectors, is_real, AGES[:4]))
    assert np.abs(known - np.asarray(served)).max() > 1e-3


def test_the_configuration_rebuilds_the_layer():
    config = EventDropout(0.1, seed=3).get_config()
    assert EventDropout.from_config(config).get_config() == config
