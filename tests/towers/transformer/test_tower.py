from functools import cache, partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from tests.gradients import (
    assert_same_as,
    evaluated,
    value_and_gradients,
    with_gradients,
)
from tests.towers.build import (
    DIMENSION,
    MAX_LENGTH,
    make_encoder,
    scatter_weights,
    sequence_options,
)
from tests.towers.definitions import attention, transformer_user
from two_tower.towers.transformer.attention import softmax_attention
from two_tower.towers.transformer.block import SequenceBlock
from two_tower.towers.transformer.tower import TransformerUserTower

pytestmark = pytest.mark.backend

ALL_REAL = np.ones((2, 5), bool)

attend = evaluated(partial(softmax_attention, bias=None, drop=lambda weights: weights))


def make_tower(**options):
    tower = make_encoder("transformer", **options)
    tower.build()
    scatter_weights(tower)
    return tower


@cache
def shared_tower():
    """Return a tower without dropout, for tests that only call it."""
    return make_tower()


@cache
def call_shared():
    """Return that tower as a function of arrays."""
    return evaluated(shared_tower())


def any_vectors(*shape, seed=5):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def mask_of(lengths, width):
    return np.arange(width) < np.array(lengths)[:, None]


@cache
def slopes_of_shared():
    """Return vectors, mask, weights → the gradient in the vectors.

    Of the weighted sum of the states' first coordinates: over all coordinates a layer
    norm's output has the same sum whatever goes in.
    """
    tower = shared_tower()
    both = with_gradients(
        lambda vectors, is_real, weights: ops.sum(
            tower(vectors, is_real)[..., 0] * weights
        ),
        1,
    )
    return lambda *arrays: np.asarray(both(*arrays)[1][0])


def make_tower_without_blocks():
    """Return a tower whose states are their own item and position alone."""
    return make_tower(n_blocks=0)


def weights_of(tower):
    """Return positions, the output's norm and ten weights per block, by name."""
    weights = [tower.positions, tower.output_norm.gamma, tower.output_norm.beta]
    for block in tower.blocks:
        weights += [
            block.attention_norm.gamma,
            block.attention_norm.beta,
            block.attention.projections.kernel,
            block.attention.output_projection.kernel,
            block.feed_norm.gamma,
            block.feed_norm.beta,
            block.feed_forward.into.kernel,
            block.feed_forward.into.bias,
            block.feed_forward.out.kernel,
            block.feed_forward.out.bias,
        ]
    return weights


# covers: X1
def test_states_and_gradients_follow_the_definition():
    tower = make_tower(n_blocks=2)
    vectors = keras.Variable(any_vectors(2, 3, DIMENSION))
    lengths = [3, 2]
    is_real = mask_of(lengths, 3)
    direction = np.linspace(-1, 1, 24).reshape(2, 3, DIMENSION)
    direction[~is_real] = 0

    def reference(values, positions, gain, shift, *rest):
        blocks = [rest[:10], rest[10:]]
        total = 0.0
        for history, length, along in zip(values, lengths, direction, strict=True):
            states = transformer_user(
                history[:length], positions, blocks, gain, shift, n_heads=2
            )
            total += np.sum(states * along[:length])
        return total

    assert_same_as(
        reference,
        lambda: ops.sum(tower(vectors.value, is_real) * direction),
        [vectors, *weights_of(tower)],
    )


# covers: X1
def test_attention_follows_the_definition():
    queries, keys, values = any_vectors(3, 2, 1, 5, 3)
    found = attend(queries, keys, values)
    for head in range(2):
        expected = attention(
            *(np.float64(part[head, 0]) for part in (queries, keys, values))
        )
        np.testing.assert_allclose(found[head, 0], expected, 1e-5, 1e-6)


# covers: X1
def test_without_preferences_attention_is_the_mean_of_what_came_before():
    values = any_vectors(2, 1, 5, 3)
    zeros = np.zeros_like(values)
    found = attend(zeros, zeros, values)
    expected = [values[1, 0, : t + 1].mean(axis=0) for t in range(5)]
    np.testing.assert_allclose(found[1, 0], expected, 1e-5, 1e-6)


# covers: X1
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**16))
def test_a_later_item_never_changes_an_earlier_state(place, seed):
    states_of, vectors = call_shared(), any_vectors(2, 5, DIMENSION)
    changed = vectors.copy()
    changed[:, place:] = any_vectors(2, 5 - place, DIMENSION, seed=seed) * 100
    found, expected = states_of(changed, ALL_REAL), states_of(vectors, ALL_REAL)
    np.testing.assert_allclose(found[:, :place], expected[:, :place], 1e-5, 1e-6)
    assert not np.allclose(found[:, place], expected[:, place])


# covers: X1
def test_an_earlier_state_has_no_gradient_from_later_items():
    only_the_third = np.zeros((2, 5), np.float32)
    only_the_third[:, 2] = 1
    slopes = slopes_of_shared()(any_vectors(2, 5, DIMENSION), ALL_REAL, only_the_third)
    assert slopes[:, :3].any(axis=-1).all()
    assert not slopes[:, 3:].any()


# covers: X1, Q4
def test_what_stands_in_padding_reaches_no_real_state_and_gets_no_gradient():
    vectors, is_real = any_vectors(2, 5, DIMENSION), mask_of([4, 1], 5)
    changed = np.where(is_real[..., None], vectors, np.float32(1e4))
    found = call_shared()(changed, is_real)[is_real]
    expected = call_shared()(vectors, is_real)[is_real]
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)
    slopes = slopes_of_shared()(vectors, is_real, is_real.astype(np.float32))
    assert slopes[is_real].any(axis=-1).all()
    assert not slopes[~is_real].any()


# covers: X1
def test_positions_count_from_the_newest_item():
    # What stands before a history changes none of its states, while what comes after
    # changes them all.
    states_of = evaluated(make_tower_without_blocks())
    vectors = any_vectors(1, 5, DIMENSION)
    whole = states_of(vectors, mask_of([5], 5))
    newest = states_of(vectors[:, 2:], mask_of([3], 3))
    oldest = states_of(vectors[:, :3], mask_of([3], 3))
    np.testing.assert_allclose(whole[:, 2:], newest, 1e-5, 1e-6)
    assert (np.abs(whole[:, :3] - oldest).max(axis=-1) > 1e-3).all()


# covers: X1
def test_each_history_learns_as_many_positions_as_it_has_items():
    tower, vectors = make_tower_without_blocks(), any_vectors(1, 5, DIMENSION)
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(tower(vectors, mask_of([3], 5))[0, :3, 0]), [tower.positions]
    )
    assert gradient.any(axis=1).tolist() == [True] * 3 + [False] * 5


# covers: X1, Q10
def test_wider_padding_changes_no_state():
    vectors, is_real = any_vectors(2, 7, DIMENSION), mask_of([5, 2], 7)
    wide = call_shared()(vectors, is_real)
    narrow = call_shared()(vectors[:, :5], is_real[:, :5])
    for row, length in enumerate([5, 2]):
        np.testing.assert_allclose(wide[row, :length], narrow[row, :length], 1e-5, 1e-6)


def test_a_history_of_nothing_but_padding_is_finite():
    states = call_shared()(any_vectors(2, 5, DIMENSION), np.zeros((2, 5), bool))
    assert np.isfinite(states).all()


def drops_of(tower):
    """Return every dropout of a tower, in the order of the data."""
    found = [tower.input_drop]
    for block in tower.blocks:
        found += [block.attention.drop, block.attention_residual.drop]
        if block.feed_forward is not None:
            found += [block.feed_forward.drop, block.feed_residual.drop]
    return found


# covers: L11
@pytest.mark.parametrize("training", [False, True])
def test_each_dropout_is_passed_and_told_whether_this_is_training(training):
    tower, passed = make_tower(), []
    drops = drops_of(tower)
    for place, drop in enumerate(drops):
        drop.call = lambda values, place=place, training=None: (
            passed.append((place, training)) or values
        )
    call = evaluated(partial(tower, training=training))
    call(any_vectors(2, 5, DIMENSION), ALL_REAL)
    assert passed == [(place, training) for place in range(len(drops))]


def test_every_dropout_has_a_seed_of_its_own():
    drops = drops_of(make_tower(dropout=0.5, n_blocks=2))
    assert len({drop.seed for drop in drops}) == len(drops) == 9


def test_the_configuration_rebuilds_the_tower():
    tower = make_tower(dropout=0.25)
    copy = TransformerUserTower.from_config(tower.get_config())
    assert copy.get_config() == tower.get_config()
    copy.build()
    copy.set_weights(tower.get_weights())
    vectors = any_vectors(2, 5, DIMENSION)
    expected = call_shared()(vectors, ALL_REAL)
    np.testing.assert_array_equal(evaluated(copy)(vectors, ALL_REAL), expected)
    block = tower.blocks[0].get_config()
    assert SequenceBlock.from_config(block).get_config() == block


def test_each_place_drops_the_share_that_is_its_own():
    shares = {
        "input": 0.1,
        "attention": 0.2,
        "feed_forward": 0.3,
        "branch": 0.4,
        "times": 0.5,
    }
    options = sequence_options(time_gap=True) | {"dropout": shares}
    tower = TransformerUserTower(
        DIMENSION, max_length=MAX_LENGTH, options=options, seed=2
    )
    (block,) = tower.blocks
    assert tower.input_drop.rate == shares["input"]
    assert block.attention.drop.rate == shares["attention"]
    assert block.feed_forward.drop.rate == shares["feed_forward"]
    assert block.attention_residual.drop.rate == shares["branch"]
    assert block.feed_residual.drop.rate == shares["branch"]
    assert tower.hidden_events.rate == shares["times"]
