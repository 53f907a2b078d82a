import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from two_tower.towers.transformer.relative import (
    N_POSITION_BUCKETS,
    N_TIME_BUCKETS,
    log_buckets,
    position_buckets,
    time_buckets,
)

pytestmark = pytest.mark.backend

LAST = 2**31 - 1
DAY = 86_400


def buckets_of(numbers, bits):
    return np.asarray(log_buckets(np.array(numbers, np.int32), bits=bits)).tolist()


def test_buckets_double_in_width():
    # The first numbers of each bucket: at a doubling of n + 1, and in its middle.
    edges = [0, 1, 2, 3, 5, 7, 11, 15, 23, 31]
    assert buckets_of(edges, 1) == [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    before = [edge - 1 for edge in edges[2:]]
    assert buckets_of(before, 1) == [2, 3, 4, 5, 6, 7, 8, 9]


@given(st.integers(0, LAST - 64), st.integers(0, 3))
def test_a_larger_number_is_in_no_lower_bucket(number, bits):
    here, next_one, far = buckets_of([number, number + 1, LAST], bits)
    assert here <= next_one <= here + 2**bits
    assert far == 31 << bits


@given(st.integers(0, 2**20), st.integers(0, 3))
def test_a_bucket_is_the_share_of_the_doubling(number, bits):
    doublings = int(np.log2(number + 1) + 1e-12)
    share = (number + 1) / 2**doublings - 1  # exact: both are powers of 2 apart
    assert buckets_of([number], bits) == [(doublings << bits) + int(share * 2**bits)]


def test_position_buckets_grow_with_the_distance():
    found = np.asarray(position_buckets(200))
    assert found.shape == (200, 200)
    assert not np.triu(found).any()
    # The nearest 15 have a bucket each; from there on two share one.
    back = found[199, ::-1]
    assert len(set(back[:16].tolist())) == 16
    assert (np.diff(back) >= 0).all()
    assert back[15:20].tolist() == [32, 32, 33, 33, 34]
    for position in range(200):
        assert (found[position, : position + 1] == back[position::-1]).all()


def test_great_distances_share_the_last_bucket():
    far = np.asarray(position_buckets(4200))[-1]
    assert far.max() == N_POSITION_BUCKETS - 1
    assert (far == N_POSITION_BUCKETS - 1).sum() == 4200 - 4095


def test_unknown_times_have_a_bucket_of_their_own():
    older, newer = np.int32([0, 5, 0, 5]), np.int32([5, 0, 0, 5])
    assert np.asarray(time_buckets(older, newer)).tolist() == [0, 0, 0, 1]


def test_times_from_a_second_to_years_have_different_buckets():
    gaps = np.int32([0, 1, 60, 3600, DAY, 30 * DAY, 365 * DAY, LAST - 1])
    found = np.asarray(time_buckets(gaps + 1, np.ones_like(gaps)))
    assert (np.diff(found) > 0).all()
    assert 0 < found.min() <= found.max() < N_TIME_BUCKETS


def test_only_the_time_between_events_matters():
    gaps = np.int32([0, 7, 5000, DAY])
    near = np.asarray(time_buckets(gaps + 1, np.ones_like(gaps)))
    far = np.asarray(time_buckets(gaps + 10**9, np.full_like(gaps, 10**9)))
    assert near.tolist() == far.tolist()


def test_a_negative_time_between_events_counts_as_none():
    assert np.asarray(time_buckets(np.int32([3]), np.int32([9]))).tolist() == [1]
