"""Trainings on data without times: towers read none, whatever the parameters say."""

import logging

import ibis
import numpy as np
import pytest

from tests.training.fit_tiny import walks
from tests.training.tiny import N_ITEMS, parameters, tables_of, train
from two_tower.training.checkpoints import CheckpointStore

HELD_OUT = walks(20, N_ITEMS, seed=9)
TIMES = {"relative_time": True, "time_gap": True, "request_time": True}
ASKED = {
    "mean": {"history": {"kind": "mean"}},
    "transformer": {
        "history": {
            "kind": "transformer",
            "transformer": TIMES | {"dropout": {"times": 0.1}},
        }
    },
    "multi_interest": {
        "history": {
            "kind": "multi_interest",
            "multi_interest": {"events": {"request_time": True}},
        },
        "objective": {"kind": "interest_softmax"},
        "negatives": {"kind": "in_batch"},
    },
}


def without_times(tables):
    def emptied(table):
        return table.mutate(
            **{
                name: table[name].map(lambda _: ibis.null("int64"))
                for name in ("timestamps", "target_timestamps")
            }
        )

    timed = ("train_sequences", "validation_examples")
    return tables | {name: emptied(tables[name]) for name in timed}


@pytest.mark.parametrize("kind", ASKED)
def test_every_history_encoder_trains_without_times(
    kind, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(
        "tests.training.tiny.tables_of",
        lambda **given: without_times(tables_of(**given)),
    )
    asked = parameters(ASKED[kind], {"epochs": 1})
    store = CheckpointStore(tmp_path / "checkpoints")
    towers, history = train(tmp_path, asked, store=store, held_out=HELD_OUT)
    assert np.isfinite(history[-1]["loss"])
    assert not history[-1]["request_time"]
    assert towers.reads_events == (kind == "multi_interest")  # it reads ratings
    lines = [line for line in caplog.messages if "the data have no times" in line]
    assert len(lines) == 1


def test_the_options_of_times_are_off_and_others_stay():
    asked = parameters(ASKED["transformer"])
    history = asked.without_times().history.chosen
    assert not history.reads_events
    assert (history.request_time, history.dropout.times) == (False, 0.0)
    left = {*TIMES, "dropout"}
    assert history.model_dump(exclude=left) == asked.history.chosen.model_dump(
        exclude=left
    )
    assert asked.history.chosen.reads_events
