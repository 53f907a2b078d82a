"""Averages of weights: what they are of, and where they are put."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from two_tower.training.averages import Averages, exponential_average, mean_from

from tests.training.fit_tiny import (
    ScriptedValidation,
    build_towers,
    feed_of,
    state_of,
    walks,
)
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.fit import fit
from two_tower.training.keras_input import as_keras_input

pytestmark = pytest.mark.backend

RATES = {"ema": exponential_average(0.9), "swa": mean_from(3)}
EACH_RATE = pytest.mark.parametrize("rate", RATES)


def ema_of(weights):
    """Return the moving average of float64 weights, step by step."""
    average = weights[0]
    for n_seen, newest in enumerate(weights[1:], start=1):
        momentum = min(0.9, (1 + n_seen) / (10 + n_seen))
        average = momentum * average + (1 - momentum) * newest
    return average


def swa_of(weights):
    """Return the mean of all but the first three."""
    return np.mean(weights[3:], axis=0)


DEFINITIONS = {"ema": ema_of, "swa": swa_of}


class Endings(keras.callbacks.Callback):
    """Keeps what some weights are after each step; of steps one at a time."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        towers = self.model.towers
        trained = towers.trainable_variables
        self.seen.append([np.asarray(weight, np.float64) for weight in trained])


def averages_of(state):
    return [np.asarray(average) for average in state.task.averages.averages]


def run(state, folder, validation=None, *, epochs=2):
    store = CheckpointStore(folder)
    return fit(state, validation, epochs=epochs, validate_every=1, store=store)


def small(rate, **options):
    return state_of(build_towers(), feed_of(walks(12)), rate=RATES[rate], **options)


@EACH_RATE
def test_an_average_follows_its_definition_over_the_steps_of_an_epoch(rate):
    state = small(rate)
    endings = Endings()
    state.feed.begin(0)
    batches = as_keras_input(state.feed, stack=1)
    state.task.fit(batches, shuffle=False, verbose=0, callbacks=[endings])
    assert len(endings.seen) > 4
    weights = zip(*endings.seen, strict=True)
    for found, seen in zip(averages_of(state), weights, strict=True):
        np.testing.assert_allclose(found, DEFINITIONS[rate](seen), 1e-5, 1e-6)


def shares_in(rate, n_steps):
    """Return the share that the weights of each step have in the average at the end."""
    newest = np.asarray(rate(np.arange(n_steps, dtype=np.float32)), np.float64)
    left = np.append(np.cumprod((1 - newest)[:0:-1])[::-1], 1)
    return newest * left


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 3000), st.floats(0.5, 0.9999))
def test_the_first_weights_of_a_moving_average_do_not_linger(n_steps, momentum):
    shares = shares_in(exponential_average(momentum), n_steps)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] <= momentum ** (n_steps - 1) * 1.01
    assert shares[0] < (n_steps - 1) ** -2.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 20), st.integers(1, 20))
def test_a_late_mean_counts_all_late_weights_alike(start, n_late):
    shares = shares_in(mean_from(start), start + n_late)
    expected = [0.0] * start + [1 / n_late] * n_late
    np.testing.assert_allclose(shares, expected, atol=1e-6)


@EACH_RATE
def test_averages_are_validated_and_kept_and_training_goes_on_without(rate, tmp_path):
    plain = state_of(build_towers(), feed_of(walks(12)))
    run(plain, tmp_path / "a", ScriptedValidation([0.2, 0.1]))
    state = small(rate)
    validation = ScriptedValidation([0.2, 0.1])
    records = run(state, tmp_path / "b", validation)
    # The same losses: what is validated had no part in them.
    losses = [record["loss"] for record in plain.history]
    assert [record["loss"] for record in records] == pytest.approx(losses, rel=1e-6)
    kept = state.task.towers.get_weights()
    for found, best in zip(kept, validation.seen[0], strict=True):
        np.testing.assert_array_equal(found, best)
    assert np.abs(kept[0] - plain.task.towers.get_weights()[0]).max() > 1e-4


def test_it_is_recorded_and_logged_when_weights_begin_to_be_averages(tmp_path, caplog):
    caplog.set_level("INFO", logger="two_tower")
    state = small("swa")
    n_steps = len(state.feed)
    state.task.averages.rate = mean_from(n_steps)
    records = run(state, tmp_path, ScriptedValidation([0.1, 0.2, 0.3]), epochs=3)
    assert [record["averaged"] for record in records] == [False, True, True]
    assert caplog.text.count("the weights are averages") == 1
    assert "from epoch 2 on the weights are averages" in caplog.text
    assert "came before averages began" not in caplog.text


def test_a_kept_epoch_from_before_the_averages_is_warned_of(tmp_path, caplog):
    state = small("swa")
    state.task.averages.rate = mean_from(2 * len(state.feed))
    run(state, tmp_path, ScriptedValidation([0.2, 0.3, 0.1]), epochs=3)
    assert "the kept epoch 2 came before averages began" in caplog.text


def test_of_one_step_there_is_no_average_yet():
    towers = build_towers()
    averages = Averages(towers, mean_from(1))
    averages.build()
    found = []
    for _ in range(4):
        found.append(averages.are_of_several)
        averages.update()
    assert [*found, averages.are_of_several] == [False, False, False, True, True]


@EACH_RATE
def test_without_validation_the_last_averages_are_left_in_the_towers(rate, tmp_path):
    state = small(rate)
    run(state, tmp_path)
    towers = state.task.towers
    trained = [weight for weight in towers.weights if weight.trainable]
    for weight, average in zip(trained, averages_of(state), strict=True):
        np.testing.assert_array_equal(np.asarray(weight), average)


def test_the_weights_come_back_to_the_bit_even_from_a_failure():
    towers = build_towers()
    averages = Averages(towers, mean_from(0))
    averages.build()
    before = towers.get_weights()
    # Of no step yet, the averages are all 0.
    with pytest.raises(ZeroDivisionError), averages.in_place():
        _ = 1 // int(np.asarray(towers.item_tower.table).any())
    for found, expected in zip(towers.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_statistics_of_batch_norm_are_averaged_and_features_are_not():
    mlp = {"hidden_units": [8], "batch_norm": True, "dropout": 0.0}
    towers = build_towers(mlp=mlp, combine="concat")
    averages = Averages(towers, mean_from(0))
    averages.build()
    names = [weight.name for weight in averages.followed()]
    assert names.count("moving_mean") == names.count("moving_variance") == 2
    n_others = sum(not weight.trainable for weight in towers.weights) - 4
    assert len(names) == len(towers.weights) - n_others


def test_a_tower_of_half_precision_has_averages_of_whole_ones(tmp_path):
    towers = build_towers(dtype="mixed_bfloat16")
    state = state_of(towers, feed_of(walks(12)), rate=RATES["ema"])
    run(state, tmp_path, epochs=1)
    of_table = averages_of(state)[0]
    assert of_table.dtype == np.float32
    # More than the first 16 bits count, which are all that bfloat16 has.
    assert (of_table.view(np.uint32) & 0xFFFF).any()


def test_steps_of_one_execution_are_averaged_one_by_one(tmp_path):
    one_by_one, together = small("swa"), small("swa")
    together.task.steps_per_execution = 3
    run(one_by_one, tmp_path / "a")
    run(together, tmp_path / "b")
    n_seen = [int(state.task.averages.n_seen) for state in (one_by_one, together)]
    assert n_seen == [2 * len(one_by_one.feed)] * 2
    for one, other in zip(averages_of(one_by_one), averages_of(together), strict=True):
        np.testing.assert_allclose(one, other, 1e-3, 1e-4)
