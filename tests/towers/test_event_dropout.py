"""Events that training hides."""

import numpy as np
import pytest

from tests.towers.build import make_encoder
from two_tower.towers.event_dropout import HiddenEvents

pytestmark = pytest.mark.backend

AGES = np.tile(np.int32([[900, 60, 1]]), (2000, 1))
RATINGS = np.tile(np.float32([[1.0, 4.5, np.nan]]), (2000, 1))
HOURS = np.arange(1, 2001, dtype=np.int32)


def hide(layer, *, training):
    fields = {"ages": AGES, "ratings": RATINGS, "asked_hours": HOURS}
    found = layer(fields, training=training)
    return [np.asarray(found[name]) for name in fields]


def test_some_histories_lose_all_in_training_alone() -> None:
    layer = HiddenEvents(0.1, seed=1)
    ages, ratings, hours = hide(layer, training=True)

    is_hidden = hours == 0
    assert 0.07 < is_hidden.mean() < 0.13
    np.testing.assert_array_equal(ages, np.where(is_hidden[:, None], 0, AGES))
    np.testing.assert_array_equal(
        ratings, np.where(is_hidden[:, None], np.nan, RATINGS)
    )
    np.testing.assert_array_equal(hours, np.where(is_hidden, 0, HOURS))
    assert (hide(layer, training=True)[2] != hours).any()  # another draw
    np.testing.assert_array_equal(hide(layer, training=False)[2], HOURS)


def test_hidden_times_are_read_as_those_of_a_request_without_any() -> None:
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
