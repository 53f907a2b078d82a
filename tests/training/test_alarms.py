import math

import numpy as np
import pytest

from tests.index.fabricate import unit_vectors
from two_tower.training.alarms import (
    TrainingError,
    check_finite,
    check_heads,
    check_item_heads,
    check_spread,
    check_vectors,
    check_weights,
)


# covers: X10
@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_of_nan_or_infinity_stops_training(loss):
    with pytest.raises(TrainingError, match=r"epoch 3, by step 5\. .*learning_rate"):
        check_finite(loss, epoch=2, step=4)


def test_a_finite_loss_passes():
    check_finite(1e30, epoch=0, step=0)


# covers: X10
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_weight_of_nan_or_infinity_stops_training(broken):
    weights = [np.ones((2, 2)), np.array([0.0, broken])]
    with pytest.raises(TrainingError, match=r"NaN or infinite after epoch 1\."):
        check_weights(weights, epoch=0)


def test_weights_of_any_kind_pass():
    check_weights([np.ones(3, np.float32), np.array([7], np.int32)], epoch=0)


# covers: X10
def test_equal_item_vectors_are_a_collapse():
    with pytest.raises(TrainingError, match=r"collapsed: .* cosine is 1\.000"):
        check_spread(np.repeat(unit_vectors(1), 50, axis=0), normalised=True)


# covers: X10
def test_nearly_equal_item_vectors_are_a_collapse():
    vectors = np.ones((50, 8)) + 0.05 * unit_vectors(50)
    with pytest.raises(TrainingError, match="collapsed"):
        check_spread(
            vectors / np.linalg.norm(vectors, axis=1, keepdims=True), normalised=True
        )


# covers: X10
@pytest.mark.parametrize("normalised", [True, False])
def test_vectors_without_a_likeness_are_no_sound_model(normalised):
    with pytest.raises(TrainingError, match=r"collapsed: .* cosine is nan"):
        check_spread(np.full((50, 8), np.nan, np.float32), normalised=normalised)


# covers: X10
def test_heads_without_a_share_are_no_sound_model():
    with pytest.raises(TrainingError, match="collapsed into one, which has nan"):
        check_heads(math.nan, math.nan, n_heads=4)
    with pytest.raises(TrainingError, match="collapsed into one, which has nan"):
        check_item_heads(math.nan, n_heads=4)


@pytest.mark.parametrize("n_items", [2, 50])
def test_random_vectors_are_no_collapse(n_items):
    check_spread(unit_vectors(n_items), normalised=True)


def test_the_mean_cosine_is_over_all_pairs():
    # Two directions at a right angle, two items each: half of all pairs have cosine 1.
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    check_spread(vectors, normalised=True)
    # An angle of 16 degrees: mean cosine (1 + cos 16°) / 2 = 0.981.
    angle = np.deg2rad(16)
    close = np.array([[1, 0], [np.cos(angle), np.sin(angle)]])
    with pytest.raises(TrainingError, match=r"0\.981"):
        check_spread(close, normalised=True)


# covers: X10
@pytest.mark.parametrize("vectors", [np.ones((5, 3)), np.zeros((5, 3))])
def test_equal_vectors_are_a_collapse_of_dot_products(vectors):
    with pytest.raises(TrainingError, match="collapsed"):
        check_spread(vectors, normalised=False)


def test_near_directions_are_no_collapse_of_dot_products():
    vectors = np.ones((50, 8)) + 0.05 * unit_vectors(50)
    check_spread(vectors, normalised=False)


# covers: X10
def test_heads_that_collapse_into_one_stop_training():
    with pytest.raises(TrainingError, match=r"8 heads have collapsed .* 0\.995 of"):
        check_heads(0.0001, 0.995, n_heads=8)


# covers: X10
def test_a_neglected_head_is_warned_of(caplog):
    check_heads(0.02, 0.6, n_heads=8)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "a head has 0.0200 of all positives" in record.getMessage()
    assert "even share is 0.1250" in record.getMessage()


@pytest.mark.parametrize(
    ("least", "greatest", "n_heads"), [(1.0, 1.0, 1), (0.03, 0.5, 8), (0.125, 0.125, 8)]
)
def test_heads_in_use_raise_no_alarm(least, greatest, n_heads, caplog):
    check_heads(least, greatest, n_heads=n_heads)
    assert not caplog.records


# covers: X10
def test_a_head_with_the_items_of_all_histories_stops_training():
    with pytest.raises(TrainingError, match=r"which has 0\.990 of the items"):
        check_item_heads(0.99, n_heads=4)


@pytest.mark.parametrize(("greatest", "n_heads"), [(1.0, 1), (0.9, 4), (0.0, 4)])
def test_heads_that_share_items_raise_no_alarm(greatest, n_heads):
    check_item_heads(greatest, n_heads=n_heads)


# covers: X10
def test_nearly_identical_vectors_are_warned_of(caplog):
    check_vectors(0.98, 0.5, n_vectors=2)
    assert not caplog.records
    check_vectors(0.981, 0.5, n_vectors=2)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "two vectors of a user have a mean cosine of 0.981" in record.getMessage()


# covers: X10
def test_a_vector_that_is_rarely_the_nearest_is_warned_of(caplog):
    check_vectors(0.5, 0.05, n_vectors=4)
    assert not caplog.records
    check_vectors(0.5, 0.049, n_vectors=4)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "the nearest to 0.0490 of all positives" in record.getMessage()
