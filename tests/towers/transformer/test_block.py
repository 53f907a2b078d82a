from functools import partial

import numpy as np
import pytest

from tests.gradients import evaluated
from tests.towers.build import DIMENSION, MAX_LENGTH, any_vectors, sequence_options
from tests.towers.transformer.histories import make_tower
from two_tower.towers.transformer.tower import TransformerUserTower

pytestmark = pytest.mark.backend


def drops_of(tower):
    """Return the dropouts of a tower, in the order of their calls."""
    found = [tower.input_drop]
    for block in tower.blocks:
        found += [block.attention.drop, block.attention_residual.drop]
        if block.feed_forward is not None:
            found += [block.feed_forward.drop, block.feed_residual.drop]
    return found


# covers: L11
@pytest.mark.parametrize("training", [False, True])
def test_each_dropout_is_called_with_the_training_flag(training):
    tower, passed = make_tower("plain", n_blocks=1), []
    drops = drops_of(tower)
    for n, drop in enumerate(drops):
        drop.call = lambda values, n=n, training=None: (
            passed.append((n, training)) or values
        )
    call = evaluated(partial(tower, training=training))
    call(any_vectors(2, 5, DIMENSION), np.ones((2, 5), bool))
    assert passed == [(n, training) for n in range(len(drops))]


def test_every_dropout_has_its_own_seed():
    drops = drops_of(make_tower("plain", dropout=0.5))
    assert len({drop.seed for drop in drops}) == len(drops) == 9


def test_each_dropout_has_its_own_rate():
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
