import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tests.negatives.batches import queries, sampled_per_batch
from two_tower.negatives.consumed import Consumed
from two_tower.negatives.unconsumed import Unconsumed

# User 2 has consumed items 2, 5, 9; user 3 all ten; user 4 none.
USERS = np.array([2] * 3 + [3] * 10)
ITEMS = np.array([9, 2, 5, *range(2, 12)])
CONSUMED = Consumed.from_pairs(USERS, ITEMS, n_users=5, n_items=12)
ALL = np.arange(2, 12)


# covers: L17
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), density=st.floats(0, 1))
def test_no_consumed_item_is_sampled(seed, density):
    rng = np.random.default_rng(seed)
    is_consumed = rng.random((6, 15)) < density
    is_consumed[:, :2] = False
    consumed = Consumed.from_pairs(*np.nonzero(is_consumed), n_users=6, n_items=15)
    source = Unconsumed(consumed, np.arange(2, 15), count=20, log_q=True)
    users = rng.integers(0, 6, 30)
    ids, weights, *_ = source.sample(queries(np.zeros(30), users=users), rng)
    has_some = ~is_consumed[users, 2:].all(axis=1)
    assert (ids[has_some] >= 2).all()
    assert not is_consumed[users[:, None], ids].any()
    np.testing.assert_array_equal(weights, np.tile(has_some[:, None], 20))


# covers: L17, L18
def test_the_users_other_items_are_sampled_alike_and_as_often_as_log_q_says():
    source = Unconsumed(CONSUMED, ALL, count=7, log_q=True)
    totals = sampled_per_batch(source, queries([0]), 3000, n_items=12).sum(axis=0)
    log_q = source.sample(queries([0]), np.random.default_rng(0)).log_q
    np.testing.assert_allclose(log_q, np.log(7 / 7), atol=1e-7)
    assert np.flatnonzero(totals).tolist() == [3, 4, 6, 7, 8, 10, 11]
    expected = np.full(7, 3000 * np.exp(np.float64(log_q[0, 0])))
    assert chisquare(totals[totals > 0], expected).pvalue > 0.01


# covers: L17
def test_a_user_who_has_consumed_everything_gets_weight_zero():
    positives = queries([2, 2, 2], users=[3, 4, 2])
    source = Unconsumed(CONSUMED, ALL, count=3, log_q=True)
    found = source.sample(positives, np.random.default_rng(0))
    assert not found.weights[0].any()
    assert found.weights[2].all()
    assert np.isfinite(found.log_q).all()
    np.testing.assert_allclose(found.log_q[1], np.log(3 / 10), rtol=1e-6)


# covers: N10
def test_the_own_item_is_left_out_though_not_among_the_consumed():
    source = Unconsumed(CONSUMED, ALL, count=50, log_q=True)
    found = source.sample(queries([6], users=[4]), np.random.default_rng(0))
    np.testing.assert_array_equal(found.weights, found.ids != 6)
    assert not found.weights.all()


# covers: L18
def test_without_correction_all_logs_are_zero():
    source = Unconsumed(CONSUMED, ALL, count=3, log_q=False)
    assert not source.sample(queries([4]), np.random.default_rng(0)).log_q.any()
