import numpy as np
import pytest

from two_tower.simulation.random_streams import (
    Purpose,
    choose,
    generator,
    positions,
    share_out,
)


def test_the_numbers_of_a_purpose_never_change():
    # As drawn when the committed archive was made: a NumPy that draws others would
    # make another archive from the same recipe.
    drawn = generator(5, Purpose.MOVIES).random(2)
    np.testing.assert_array_equal(drawn, [0.8050029237453802, 0.8079407897364937])


def test_seeds_purposes_and_chunks_have_numbers_of_their_own():
    streams = [
        generator(1, Purpose.MOVIES),
        generator(2, Purpose.MOVIES),
        generator(1, Purpose.USERS),
        generator(1, Purpose.USERS, chunk=1),
    ]
    assert len({stream.random() for stream in streams}) == 4


def test_positions_count_within_each_group():
    np.testing.assert_array_equal(positions(np.array([2, 0, 3])), [0, 1, 0, 1, 2])


def test_a_column_is_chosen_by_its_share_of_the_row():
    weights = np.array([[1.0, 3.0], [1.0, 3.0], [0.0, 2.0], [2.0, 0.0]])
    uniform = np.array([0.24, 0.26, 0.0, 0.999])
    np.testing.assert_array_equal(choose(weights, uniform), [0, 1, 1, 0])


def test_what_is_shared_out_sums_up_and_keeps_the_limit():
    rng = generator(0, Purpose.USERS)
    counts = share_out(29, np.array([100.0, 1.0, 1.0]), limit=10, rng=rng)
    assert counts.sum() == 29
    assert counts.max() == 10


def test_more_than_the_limits_allow_is_refused():
    with pytest.raises(ValueError, match="31 can't be shared out at 10 each"):
        share_out(31, np.ones(3), limit=10, rng=generator(0, Purpose.USERS))
