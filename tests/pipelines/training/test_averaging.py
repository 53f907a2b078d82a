"""Averages of weights, as the parameters ask for them."""

import numpy as np
import pytest
from pydantic import ValidationError

from tests.training.tiny import model_inputs, parameters
from two_tower.training import assembly


def averages_of(*changes):
    """Return the averages of a training, and the steps of all its epochs."""
    asked = parameters(*changes)
    inputs = model_inputs(asked)
    towers = assembly.assemble_towers(asked, inputs)
    feed = assembly.assemble_feed(asked, inputs, towers)
    state = assembly.assemble_state(asked, inputs, towers, feed, "print")
    return state.task.averages, asked.epochs * len(feed)


def test_there_are_none_if_none_are_asked_for():
    averages, _ = averages_of()
    assert averages is None


def test_a_moving_average_has_the_momentum_that_was_asked_for():
    averages, _ = averages_of(
        {"averaging": "ema", "averages": {"ema": {"momentum": 0.75}}}
    )
    assert float(averages.rate(np.float32(1e6))) == pytest.approx(0.25)


def test_a_late_mean_begins_at_a_share_of_all_steps():
    averages, n_steps = averages_of(
        {"averaging": "swa", "averages": {"swa": {"from_share": 0.5}}}
    )
    first = n_steps // 2
    shares = [float(averages.rate(np.float32(first + late))) for late in (0, 1, 2)]
    assert shares == pytest.approx([1, 1 / 2, 1 / 3])


@pytest.mark.parametrize(
    "changes",
    [
        {"averaging": "polyak"},
        {"averages": {"ema": {"momentum": 1.0}}},
        {"averages": {"swa": {"from_share": 1.0}}},
    ],
)
def test_averages_of_nothing_are_refused(changes):
    with pytest.raises(ValidationError, match=r"averag"):
        parameters(changes)
