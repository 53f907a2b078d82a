import logging

import pytest

from two_tower.training.progress import ProgressBar, log_epoch

RECORD = {
    "epoch": 2,
    "loss": 1.25,
    "val_ndcg@10": 0.5,
    "examples_per_second": 1234.5,
    "seconds": 3.0,
    "request_time": False,
}


@pytest.fixture
def bar():
    return ProgressBar(steps=2, examples=100, epochs=3)


def train(bar):
    """Call the bar as Keras does, for one epoch and a step of the next."""
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(0, {"loss": 3.0, "steps": 1})
    bar.on_train_batch_end(1, {"loss": 2.0, "steps": 2})
    bar.on_epoch_begin(1)
    bar.on_train_batch_end(0, {"loss": 1.0, "steps": 1})


def test_the_bar_shows_epoch_loss_speed_and_steps_of_all_training(bar):
    train(bar)
    (task,) = bar.bar.tasks
    assert (task.completed, task.total) == (3, 6)
    assert (task.fields["epoch"], task.fields["loss"]) == (2, 1.0)
    assert task.fields["rate"] > 0


def test_a_resumed_training_begins_where_it_stopped(bar):
    bar.on_train_begin()
    bar.on_epoch_begin(2)
    assert bar.bar.tasks[0].completed == 4


def test_without_a_terminal_nothing_is_drawn(bar, capfd):
    train(bar)
    bar.close()
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_drawn_on_stderr_and_removed(monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes stderr for a terminal
    bar = ProgressBar(steps=2, examples=100, epochs=3)
    train(bar)
    assert bar.bar.live.is_started
    bar.close()
    assert not bar.bar.live.is_started
    drawn = capfd.readouterr()
    assert drawn.out == ""
    assert "positives/s" in drawn.err


@pytest.mark.parametrize(
    ("monitor", "metric"), [("val_ndcg@10", ", val_ndcg@10 0.5000"), ("val_mrr", "")]
)
def test_an_epoch_is_one_line_in_the_log(caplog, monitor, metric):
    with caplog.at_level(logging.INFO):
        log_epoch(RECORD, epochs=8, monitor=monitor)
    expected = f"epoch 2 of 8: loss 1.2500{metric}, 1,234 positives/s, 3.0 s"
    assert caplog.messages == [expected.replace("1,234", "1234")]


def test_metrics_of_models_that_read_the_request_time_say_so(caplog):
    with caplog.at_level(logging.INFO):
        log_epoch(RECORD | {"request_time": True}, epochs=8, monitor="val_ndcg@10")
    assert "val_ndcg@10 0.5000 (request time known), " in caplog.messages[0]
