from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from two_tower.negatives.candidates import (
    in_batch,
    log_share_of_rows,
    whole_catalogue,
)

pytestmark = pytest.mark.backend


def test_the_whole_catalogue_holds_each_real_item_once_and_for_sure():
    ids, weights, log_q, own_log_q, own_column = whole_catalogue(
        5, np.array([4, 2, 2, 0])
    )
    assert np.asarray(ids).tolist() == [2, 3, 4]
    assert np.asarray(weights).tolist() == [1, 1, 1]
    assert np.asarray(log_q).tolist() == [0, 0, 0]
    assert np.asarray(own_log_q).tolist() == [0, 0, 0, 0]
    assert own_column is None


# covers: L5, L18, N9
def test_the_batch_holds_its_positives_with_the_log_of_their_shares():
    log_shares = np.log(np.array([1, 1, 0.5, 0.25], np.float32))
    labels = np.array([3, 2, 3, 0], np.int32)
    weights = np.array([1, 1, 1, 0], np.float32)
    ids, column_weights, log_q, own_log_q, _ = in_batch(labels, weights, log_shares)
    assert np.asarray(ids).tolist() == [3, 2, 3, 0]
    np.testing.assert_allclose(log_q[:3], [log(1 / 4), log(1 / 2), log(1 / 4)])
    np.testing.assert_array_equal(own_log_q, log_q)
    assert np.asarray(column_weights).tolist() == [1, 1, 1, 0]


def test_a_positive_that_counts_twice_is_still_drawn_once():
    weights = np.array([2, 0.5], np.float32)
    drawn = in_batch(np.array([2, 3]), weights, np.zeros(4, np.float32)).weights
    assert np.asarray(drawn).tolist() == [1, 1]


# covers: L18
def test_shares_are_counts_over_rows():
    found = log_share_of_rows(np.array([0, 0, 3, 1]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[2:], [log(3 / 4), log(1 / 4)], rtol=1e-6)


# covers: L18
def test_an_item_that_training_never_saw_has_the_smallest_share():
    counts = np.array([0, 10**9, 1])
    np.testing.assert_allclose(
        log_share_of_rows(counts), [log(1e-8), 0, log(1e-8)], rtol=1e-6, atol=1e-6
    )


# covers: L18
@pytest.mark.filterwarnings("error")
def test_no_training_rows_at_all_are_no_division_by_zero():
    np.testing.assert_allclose(log_share_of_rows(np.zeros(3, int)), [log(1e-8)] * 3)


# covers: L18
@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_shares_never_exceed_one_and_keep_the_order_of_counts(counts):
    shares = log_share_of_rows(np.array(counts))
    assert (shares <= 0).all()
    assert (shares >= np.float32(log(1e-8))).all()
    assert (np.diff(shares[np.argsort(counts)]) >= 0).all()
