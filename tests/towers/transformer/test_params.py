"""Every option of the sequence tower: definition, shape, mask, causality, padding."""

from dataclasses import asdict
from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from tests.gradients import assert_same_as, evaluated
from tests.towers.build import DIMENSION
from tests.towers.transformer.definitions import sequence_user
from tests.towers.transformer.histories import (
    ASKED_AT,
    EACH_OPTION,
    EACH_TIMED_OPTION,
    LENGTH,
    OPTIONS,
    TIMED,
    TIMES,
    ages_for,
    call_shared,
    make_tower,
    mask_of,
    shared_tower,
    some_items,
    states_of,
)
from two_tower.towers.transformer.params import SequenceOptions
from two_tower.towers.transformer.tower import TransformerUserTower

pytestmark = pytest.mark.backend

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
YEAR = 365 * 86_400
NAMES = st.sampled_from(sorted(OPTIONS))
TIMED_NAMES = st.sampled_from(sorted(TIMED))


def weights_of_block(own):
    """Return a block's weights by the names that the definition has for them."""
    named = {
        f"{part}/{kind}": getattr(getattr(own, part), kind)
        for part in ("attention_norm", "feed_norm")
        for kind in ("gamma", "beta")
        if hasattr(own, part)
    }
    attention = own.attention
    named["projections/kernel"] = attention.projections.kernel
    named["output_projection/kernel"] = attention.output_projection.kernel
    if hasattr(attention, "norm"):
        named["norm/gamma"] = attention.norm.gamma
        named["norm/beta"] = attention.norm.beta
    for kind in ("positions", "times"):
        if attention.bias is not None and hasattr(attention.bias, kind):
            named[kind] = getattr(attention.bias, kind)
    residuals = {"attention_gate": own.attention_residual}
    if own.feed_forward is not None:
        residuals["feed_gate"] = own.feed_residual
        for part in ("into", "out"):
            layer = getattr(own.feed_forward, part)
            named[f"{part}/kernel"] = layer.kernel
            if layer.use_bias:
                named[f"{part}/bias"] = layer.bias
    for name, residual in residuals.items():
        if residual.gate is not None:
            named[f"{name}/kernel"] = residual.gate.kernel
            named[f"{name}/bias"] = residual.gate.bias
    return named


def weights_of_tower(tower):
    """Return the other weights by name."""
    named = {
        "output_norm/gamma": tower.output_norm.gamma,
        "output_norm/beta": tower.output_norm.beta,
    }
    if tower.options.absolute_position:
        named["positions"] = tower.positions
    if tower.gaps is not None:
        named["before"] = tower.gaps.before
        if tower.request_time:
            named["after"] = tower.gaps.after
    return named


# covers: X1
@EACH_OPTION
def test_states_and_gradients_follow_the_definition(name):
    tower = make_tower(name, n_blocks=1)
    vectors = keras.Variable(some_items(2, 4))
    lengths, is_real = [4, 2], mask_of([4, 2], 4)
    rows = [TIMES[1:5], TIMES[3:5]]
    ages = ages_for(rows, width=4, asked_at=[ASKED_AT] * 2, request_time=True)
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
            options = asdict(tower.options)
            states = sequence_user(own, times, ASKED_AT, options, of_tower, [of_block])
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
def test_a_later_item_never_changes_an_earlier_state(name, place, seed):
    vectors = some_items(2)
    changed = vectors.copy()
    changed[:, place:] = some_items(2, LENGTH - place, seed=seed) * 100
    expected = states_of(name, vectors, [TIMES, TIMES])
    found = states_of(name, changed, [TIMES, TIMES])
    np.testing.assert_allclose(found[:, :place], expected[:, :place], **CLOSE)
    assert not np.allclose(found[:, place], expected[:, place])


# covers: X1
@settings(max_examples=40, deadline=None)
@given(TIMED_NAMES, st.integers(1, LENGTH - 1), st.integers(1, 10**8))
def test_a_later_time_never_changes_an_earlier_state(name, place, delay):
    # With request time, a position knows when it is asked: when the next event comes.
    vectors, late = some_items(), TIMES.copy()
    late[place:] += delay
    earlier = place - shared_tower(name).request_time
    expected = states_of(name, vectors, [TIMES])
    found = states_of(name, vectors, [late], asked_at=ASKED_AT + delay)
    np.testing.assert_allclose(found[:, :earlier], expected[:, :earlier], **CLOSE)


@EACH_TIMED_OPTION
def test_a_state_knows_how_long_ago_events_were(name):
    vectors, late = some_items(), TIMES.copy()
    late[3:] += 10**6
    changed = np.abs(
        states_of(name, vectors, [late], asked_at=ASKED_AT + 10**6)
        - states_of(name, vectors, [TIMES])
    ).max(axis=(0, 2))
    first = 2 if shared_tower(name).request_time else 3
    assert (changed[:first] < 1e-5).all()
    assert changed[first] > 1e-4


@EACH_TIMED_OPTION
def test_the_time_of_the_request_has_a_say_only_if_it_is_declared(name):
    vectors = some_items()
    now, later = (
        states_of(name, vectors, [TIMES], asked_at=ASKED_AT + delay)
        for delay in (0, 10**7)
    )
    np.testing.assert_allclose(later[:, :-1], now[:, :-1], **CLOSE)
    is_another = np.abs(later[:, -1] - now[:, -1]).max() > 1e-4
    assert is_another == shared_tower(name).request_time


# covers: X1
@EACH_OPTION
def test_a_position_is_what_a_shorter_history_would_be_asked_for(name):
    # A training window asks at each position what is asked of a history that ends
    # there, when its next event comes. Positions count from the end, and so differ.
    states = partial(states_of, name, absolute_position=False)
    whole = states(some_items(), [TIMES])
    differences = []
    for length, asked_at in enumerate([*TIMES[1:], ASKED_AT], start=1):
        vectors, rows = some_items()[:, :length], [TIMES[:length]]
        served = states(vectors, rows, asked_at=asked_at)[:, length - 1]
        np.testing.assert_allclose(whole[:, length - 1], served, **CLOSE)
        late = states(vectors, rows, asked_at=asked_at + YEAR)[:, length - 1]
        differences.append(np.abs(late - served).max())
    # A request a year later is another one, to towers that know of it alone.
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
def test_what_stands_in_padding_reaches_no_real_state(name):
    vectors, is_real = some_items(2), mask_of([4, 1], LENGTH)
    ages = ages_for([TIMES[:4], TIMES[:1]], request_time=True)
    changed = np.where(is_real[..., None], vectors, np.float32(1e4))
    call = call_shared(name)
    expected = call(vectors, is_real, ages)[is_real]
    found = call(changed, is_real, np.where(is_real, ages, 77))[is_real]
    np.testing.assert_allclose(found, expected, **CLOSE)


@EACH_TIMED_OPTION
def test_histories_without_times_have_states_too(name):
    unknown = np.zeros((1, LENGTH), np.int32)
    states = call_shared(name)(some_items(), mask_of([4], LENGTH), unknown)
    assert np.isfinite(states).all()
    known = states_of(name, some_items()[:, :4], [TIMES[:4]])
    assert np.abs(states - known)[:, :4].max() > 1e-4


@EACH_TIMED_OPTION
def test_a_tower_that_reads_times_asks_for_them(name):
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


def test_bias_begins_as_none_at_all():
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


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"attention": "linear"}, "attention is 'linear'; choose one of softmax"),
        ({"residual": "none"}, "residual is 'none'; choose one of sum, gated"),
        (
            {"feed_forward": {"kind": "relu", "factor": 4}},
            "feed_forward.kind is 'relu'",
        ),
    ],
)
def test_an_option_that_there_is_not_is_refused(change, named):
    with pytest.raises(ValueError, match=named):
        make_tower("plain", **change)


def test_options_are_taken_by_name_or_as_such():
    options = shared_tower("everything").options
    assert SequenceOptions.of(options) is options
    assert SequenceOptions.of(asdict(options)) == options
