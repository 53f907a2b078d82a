"""The transformer with every option: definition, mask, causality, padding."""

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
from tests.towers.build import DIMENSION, any_vectors, mask_of
from tests.towers.definitions import transformer_user
from tests.towers.transformer.definitions import sequence_user
from tests.towers.transformer.histories import (
    EACH_OPTION,
    EACH_TIMED_OPTION,
    LENGTH,
    OPTIONS,
    REQUESTED_AT,
    TIMED,
    TIMES,
    ages_for,
    call_shared,
    make_tower,
    shared_tower,
    some_items,
    states_of,
    weights_of_block,
    weights_of_tower,
)
from two_tower.towers.transformer.tower import TransformerUserTower

pytestmark = pytest.mark.backend

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
YEAR = 365 * 86_400
NAMES = st.sampled_from(sorted(OPTIONS))
TIMED_NAMES = st.sampled_from(sorted(TIMED))


@cache
def slopes_of_plain():
    """Return a function of vectors, mask and weights → gradient in the vectors.

    It differentiates a weighted sum of first coordinates: the sum of all coordinates
    after a layer norm is constant.
    """
    tower = shared_tower("plain")
    both = with_gradients(
        lambda vectors, is_real, weights: ops.sum(
            tower(vectors, is_real)[..., 0] * weights
        ),
        1,
    )
    return lambda *arrays: np.asarray(both(*arrays)[1][0])


# covers: X1
@EACH_OPTION
def test_states_and_gradients_follow_the_definition(name):
    tower = make_tower(name, n_blocks=1)
    vectors = keras.Variable(some_items(2, 4))
    lengths, is_real = [4, 2], mask_of([4, 2], 4)
    rows = [TIMES[1:5], TIMES[3:5]]
    ages = ages_for(rows, width=4, requested_at=[REQUESTED_AT] * 2, request_time=True)
    outer, inner = weights_of_tower(tower), weights_of_block(tower.blocks[0])
    direction = np.linspace(-1, 1, 8 * DIMENSION).reshape(2, 4, DIMENSION)
    direction[~is_real] = 0

    def reference(values, *weights):
        of_tower = dict(zip(outer, weights, strict=False))
        of_block = dict(zip(inner, weights[len(outer) :], strict=True))
        total = 0.0
        for history, n, times, along in zip(
            values, lengths, rows, direction, strict=True
        ):
            own = history[:n].copy()
            options = tower.options.model_dump()
            states = sequence_user(
                own, times, REQUESTED_AT, options, of_tower, [of_block]
            )
            total += np.sum(states * along[:n])
        return total

    times = (ages,) if tower.reads_events else ()
    assert_same_as(
        reference,
        lambda: ops.sum(tower(vectors.value, is_real, *times) * direction),
        [vectors, *outer.values(), *inner.values()],
    )
    assert {id(w) for w in tower.trainable_weights} == {
        id(w) for w in (*outer.values(), *inner.values())
    }


@EACH_OPTION
@pytest.mark.parametrize("length", [1, 5])
def test_each_item_has_a_state(name, length):
    states = states_of(name, some_items(2, length), [TIMES[:length]] * 2, width=length)
    assert states.shape == (2, length, DIMENSION)
    assert states.dtype == np.float32
    assert np.isfinite(states).all()


@EACH_OPTION
def test_a_history_of_nothing_but_padding_is_finite(name):
    nothing = np.zeros((2, LENGTH))
    states = call_shared(name)(
        some_items(2), nothing.astype(bool), nothing.astype(np.int32)
    )
    assert np.isfinite(states).all()


# covers: X1
@settings(max_examples=40, deadline=None)
@given(NAMES, st.integers(1, LENGTH - 1), st.integers(0, 2**16))
def test_a_later_item_never_changes_an_earlier_state(name, position, seed):
    vectors = some_items(2)
    changed = vectors.copy()
    changed[:, position:] = some_items(2, LENGTH - position, seed=seed) * 100
    expected = states_of(name, vectors, [TIMES, TIMES])
    found = states_of(name, changed, [TIMES, TIMES])
    np.testing.assert_allclose(found[:, :position], expected[:, :position], **CLOSE)
    assert not np.allclose(found[:, position], expected[:, position])


# covers: X1
@settings(max_examples=40, deadline=None)
@given(TIMED_NAMES, st.integers(1, LENGTH - 1), st.integers(1, 10**8))
def test_a_later_time_never_changes_an_earlier_state(name, position, delay):
    # With request time, a position reads the time of the next event.
    vectors, late = some_items(), TIMES.copy()
    late[position:] += delay
    earlier = position - shared_tower(name).request_time
    expected = states_of(name, vectors, [TIMES])
    found = states_of(name, vectors, [late], requested_at=REQUESTED_AT + delay)
    np.testing.assert_allclose(found[:, :earlier], expected[:, :earlier], **CLOSE)


@EACH_TIMED_OPTION
def test_a_state_depends_on_how_long_ago_events_were(name):
    vectors, late = some_items(), TIMES.copy()
    late[3:] += 10**6
    changed = np.abs(
        states_of(name, vectors, [late], requested_at=REQUESTED_AT + 10**6)
        - states_of(name, vectors, [TIMES])
    ).max(axis=(0, 2))
    first = 2 if shared_tower(name).request_time else 3
    assert (changed[:first] < 1e-5).all()
    assert changed[first] > 1e-4


@EACH_TIMED_OPTION
def test_the_time_of_the_request_is_read_only_with_request_time(name):
    vectors = some_items()
    now, later = (
        states_of(name, vectors, [TIMES], requested_at=REQUESTED_AT + delay)
        for delay in (0, 10**7)
    )
    np.testing.assert_allclose(later[:, :-1], now[:, :-1], **CLOSE)
    is_another = np.abs(later[:, -1] - now[:, -1]).max() > 1e-4
    assert is_another == shared_tower(name).request_time


# covers: X1
@EACH_OPTION
def test_a_position_equals_the_end_of_a_shorter_history(name):
    # Each position of a training window equals a history that ends there, requested
    # when the next event comes. Absolute positions would differ.
    states = partial(states_of, name, absolute_position=False)
    whole = states(some_items(), [TIMES])
    differences = []
    for length, requested_at in enumerate([*TIMES[1:], REQUESTED_AT], start=1):
        vectors, rows = some_items()[:, :length], [TIMES[:length]]
        served = states(vectors, rows, requested_at=requested_at)[:, length - 1]
        np.testing.assert_allclose(whole[:, length - 1], served, **CLOSE)
        late = states(vectors, rows, requested_at=requested_at + YEAR)[:, length - 1]
        differences.append(np.abs(late - served).max())
    # A year later the request differs only with request time.
    assert (max(differences) > 1e-4) == shared_tower(name).request_time


# covers: X1 Q10
@EACH_OPTION
def test_wider_padding_changes_no_state(name):
    vectors, rows = some_items(2), [TIMES[:4], TIMES[:2]]
    histories = [
        history[: len(row)] for history, row in zip(vectors, rows, strict=True)
    ]
    narrow = states_of(name, histories, rows, width=4)
    wide = states_of(name, histories, rows, width=LENGTH + 2)
    for row, n in enumerate([4, 2]):
        np.testing.assert_allclose(wide[row, :n], narrow[row, :n], **CLOSE)


# covers: X1 Q4
@EACH_OPTION
def test_padding_changes_no_real_state(name):
    vectors, is_real = some_items(2), mask_of([4, 1], LENGTH)
    ages = ages_for([TIMES[:4], TIMES[:1]], request_time=True)
    changed = np.where(is_real[..., None], vectors, np.float32(1e4))
    call = call_shared(name)
    expected = call(vectors, is_real, ages)[is_real]
    found = call(changed, is_real, np.where(is_real, ages, 77))[is_real]
    np.testing.assert_allclose(found, expected, **CLOSE)


@EACH_TIMED_OPTION
def test_histories_without_times_have_finite_states(name):
    unknown = np.zeros((1, LENGTH), np.int32)
    states = call_shared(name)(some_items(), mask_of([4], LENGTH), unknown)
    assert np.isfinite(states).all()
    known = states_of(name, some_items()[:, :4], [TIMES[:4]])
    assert np.abs(states - known)[:, :4].max() > 1e-4


@EACH_TIMED_OPTION
def test_a_batch_without_the_times_that_are_read_is_refused(name):
    with pytest.raises(ValueError, match="its batch holds no ages"):
        shared_tower(name)(some_items(), mask_of([6], LENGTH))


@EACH_OPTION
def test_the_configuration_rebuilds_the_tower(name):
    tower = make_tower(name, dropout=0.25)
    copy = TransformerUserTower.from_config(tower.get_config())
    assert copy.get_config() == tower.get_config()
    copy.build()
    copy.set_weights(tower.get_weights())
    ages = ages_for([TIMES], request_time=True)
    times = (ages,) if tower.reads_events else ()
    inputs = (some_items(), mask_of([5], LENGTH), *times)
    np.testing.assert_array_equal(evaluated(copy)(*inputs), evaluated(tower)(*inputs))
    for own in (
        tower.blocks[0],
        tower.blocks[0].attention,
        tower.blocks[0].feed_forward,
    ):
        if own is not None:
            config = own.get_config()
            assert type(own).from_config(config).get_config() == config


@EACH_OPTION
def test_half_precision_is_near(name):
    tower = make_tower(name, dtype="mixed_bfloat16")
    whole = make_tower(name)
    whole.set_weights(tower.get_weights())
    ages = ages_for([TIMES], request_time=True)
    times = (ages,) if tower.reads_events else ()
    inputs = (some_items(), mask_of([6], LENGTH), *times)
    half = evaluated(lambda *arrays: ops.cast(tower(*arrays), "float32"))(*inputs)
    expected = evaluated(whole)(*inputs)
    cosine = np.sum(half * expected) / np.linalg.norm(half) / np.linalg.norm(expected)
    assert cosine > 0.999


@EACH_OPTION
def test_dropout_changes_states_in_training_alone(name):
    tower = make_tower(name, dropout=0.5)
    ages = ages_for([TIMES], request_time=True)
    times = (ages,) if tower.reads_events else ()
    inputs = (some_items(), mask_of([6], LENGTH), *times)
    served = evaluated(tower)(*inputs)
    np.testing.assert_array_equal(evaluated(tower)(*inputs), served)
    trained = evaluated(partial(tower, training=True))(*inputs)
    assert np.abs(trained - served).max() > 1e-3


def test_attention_bias_starts_at_zero():
    plain = make_tower("plain")
    biased = make_tower("relative time", relative_position=True)
    for own, other in zip(biased.blocks, plain.blocks, strict=True):
        named = weights_of_block(own)
        for name, weight in weights_of_block(other).items():
            named[name].assign(weight)
        named["positions"].assign(np.zeros_like(named["positions"]))
        named["times"].assign(np.zeros_like(named["times"]))
    for name, weight in weights_of_tower(plain).items():
        weights_of_tower(biased)[name].assign(weight)
    fresh = TransformerUserTower.from_config(biased.get_config())
    fresh.build()
    assert not np.asarray(fresh.blocks[0].attention.bias.times).any()
    inputs = some_items(), mask_of([6], LENGTH)
    ages = ages_for([TIMES], request_time=False)
    expected = evaluated(plain)(*inputs)
    np.testing.assert_allclose(evaluated(biased)(*inputs, ages), expected, **CLOSE)


def plain_weights_of(tower):
    """Return positions, output norm and ten weights per block, in order of use."""
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
def test_two_plain_blocks_follow_the_definition():
    tower = make_tower("plain")
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
        [vectors, *plain_weights_of(tower)],
    )


# covers: X1
def test_an_earlier_state_has_no_gradient_from_later_items():
    only_the_third = np.zeros((2, 5), np.float32)
    only_the_third[:, 2] = 1
    slopes = slopes_of_plain()(
        any_vectors(2, 5, DIMENSION), np.ones((2, 5), bool), only_the_third
    )
    assert slopes[:, :3].any(axis=-1).all()
    assert not slopes[:, 3:].any()


# covers: X1, Q4
def test_padding_has_no_gradient():
    vectors, is_real = any_vectors(2, 5, DIMENSION), mask_of([4, 1], 5)
    slopes = slopes_of_plain()(vectors, is_real, is_real.astype(np.float32))
    assert slopes[is_real].any(axis=-1).all()
    assert not slopes[~is_real].any()


def make_tower_without_branches():
    """Return a tower whose states are their own items and positions."""
    tower = make_tower("plain", n_blocks=1)
    block = tower.blocks[0]
    for weight in (
        block.attention.output_projection.kernel,
        block.feed_forward.out.kernel,
        block.feed_forward.out.bias,
    ):
        weight.assign(np.zeros(weight.shape))
    return tower


# covers: X1
def test_positions_count_from_the_newest_item():
    states_of = evaluated(make_tower_without_branches())
    vectors = any_vectors(1, 5, DIMENSION)
    whole = states_of(vectors, mask_of([5], 5))
    newest = states_of(vectors[:, 2:], mask_of([3], 3))
    oldest = states_of(vectors[:, :3], mask_of([3], 3))
    np.testing.assert_allclose(whole[:, 2:], newest, 1e-5, 1e-6)
    assert (np.abs(whole[:, :3] - oldest).max(axis=-1) > 1e-3).all()


# covers: X1
def test_a_history_trains_as_many_positions_as_it_has_items():
    tower, vectors = make_tower_without_branches(), any_vectors(1, 5, DIMENSION)
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(tower(vectors, mask_of([3], 5))[0, :3, 0]), [tower.positions]
    )
    assert gradient.any(axis=1).tolist() == [True] * 3 + [False] * 5
