import math

import numpy as np

from two_tower.training.callbacks import EarlyStopping

MONITOR = "val_ndcg@10"


def after(figures, *, patience=2):
    stopping = EarlyStopping(MONITOR, patience)
    for epoch, figure in enumerate(figures):
        others = {"val_mrr": -figure}
        weights = [np.full(2, float(epoch))]
        stopping.update(epoch, {MONITOR: figure, **others}, weights)
    return stopping


def test_the_best_epoch_by_the_monitored_figure_is_kept():
    stopping = after([0.1, 0.4, 0.3])
    assert (stopping.best, stopping.best_epoch) == (0.4, 1)
    np.testing.assert_array_equal(stopping.weights[0], [1.0, 1.0])


def test_training_stops_when_patience_has_run_out():
    assert not after([0.4, 0.3]).should_stop
    assert after([0.4, 0.3, 0.2]).should_stop


def test_a_better_epoch_renews_patience():
    assert not after([0.4, 0.3, 0.5, 0.2]).should_stop


def test_the_first_of_equal_epochs_is_the_best():
    assert after([0.4, 0.4]).best_epoch == 0


def test_there_is_no_best_before_the_first():
    stopping = EarlyStopping(MONITOR, 1)
    assert (stopping.best, stopping.best_epoch) == (-math.inf, -1)
    assert not stopping.should_stop


def test_a_restored_state_goes_on_as_if_nothing_had_happened():
    first = after([0.4, 0.3])
    other = EarlyStopping(MONITOR, 2)
    other.restore(first.state(), first.weights)
    other.update(2, {MONITOR: 0.2}, [np.zeros(2)])
    assert other.should_stop
    assert (other.best, other.best_epoch) == (0.4, 0)
    np.testing.assert_array_equal(other.weights[0], [0.0, 0.0])
