import numpy as np
import pytest

from two_tower.simulation.random_streams import (
    Purpose,
    positions_in_groups,
    random_stream,
    sample_columns,
    sample_counts,
)


def test_the_numbers_of_a_stream_never_change():
    # As they were when the committed archive was made: a NumPy with other numbers
    # would make another archive from the same recipe.
    sampled = random_stream(5, Purpose.MOVIES).random(2)
    np.testing.assert_array_equal(sampled, [0.8050029237453802, 0.8079407897364937])


def test_each_seed_purpose_and_chunk_has_its_own_stream():
    streams = [
        random_stream(1, Purpose.MOVIES),
        random_stream(2, Purpose.MOVIES),
        random_stream(1, Purpose.USERS),
        random_stream(1, Purpose.USERS, chunk=1),
    ]
    assert len({stream.random() for stream in streams}) == 4


def test_positions_count_from_0_in_each_group():
    positions = positions_in_groups(np.array([2, 0, 3]))
    np.testing.assert_array_equal(positions, [0, 1, 0, 1, 2])


def test_a_column_is_sampled_by_its_share_of_the_row():
    weights = np.array([[1.0, 3.0], [1.0, 3.0], [0.0, 2.0], [2.0, 0.0]])
    uniform = np.array([0.24, 0.26, 0.0, 0.999])
    np.testing.assert_array_equal(sample_columns(weights, uniform), [0, 1, 1, 0])


def test_counts_sum_to_the_total_and_keep_the_limit():
    rng = random_stream(0, Purpose.USERS)
    counts = sample_counts(29, np.array([100.0, 1.0, 1.0]), limit=10, rng=rng)
    assert counts.sum() == 29
    assert counts.max() == 10


def test_a_total_above_all_limits_is_refused():
    rng = random_stream(0, Purpose.USERS)
    with pytest.raises(ValueError, match="31 exceeds 3 counts of at most 10"):
        sample_counts(31, np.ones(3), limit=10, rng=rng)
