import numpy as np
from scipy.stats import chisquare

from tests.negatives.batches import queries, sampled_per_batch
from two_tower.negatives.low_rated import LowRated
from two_tower.negatives.uniform import Uniform
from two_tower.ragged import Ragged

# By dense user id; the last user dislikes nothing.
DISLIKED = Ragged.from_lists([[], [], [7, 3, 5], [4], []])
OPTIONS = {"count": 6, "log_q": True}


# covers: L17, L18
def test_a_users_explicit_negatives_are_sampled_as_often_as_log_q_says():
    source = LowRated(DISLIKED, **OPTIONS, others=None)
    totals = sampled_per_batch(source, queries([9]), 1000, n_items=10).sum(axis=0)
    assert np.flatnonzero(totals).tolist() == [3, 5, 7]
    assert chisquare(totals[[3, 5, 7]]).pvalue > 0.01
    log_q = source.sample(queries([9]), np.random.default_rng(0)).log_q
    np.testing.assert_allclose(log_q, np.log(6 / 3), rtol=1e-6)


def test_each_query_samples_from_its_own_user():
    source = LowRated(DISLIKED, **OPTIONS, others=None)
    positives = queries([9, 9, 9], users=[3, 2, 3])
    found = source.sample(positives, np.random.default_rng(0))
    assert set(found.ids[[0, 2]].ravel()) == {4}
    assert set(found.ids[1]) <= {3, 5, 7}
    assert found.own_log_q.tolist() == [0, 0, 0]
    assert found.own_column is None


# covers: X3
def test_a_user_who_dislikes_nothing_gets_weight_zero():
    source = LowRated(DISLIKED, **OPTIONS, others=None)
    found = source.sample(queries([9, 9, 9], users=[4, 0, 2]), np.random.default_rng(0))
    assert not found.weights[:2].any()
    assert found.weights[2].all()
    assert np.isfinite(found.log_q).all()


def test_no_user_has_explicit_negatives():
    nothing = Ragged.from_lists([[], [], []])
    source = LowRated(nothing, **OPTIONS, others=None)
    assert not source.sample(queries([9]), np.random.default_rng(0)).weights.any()


# covers: L17 L18
def test_every_user_meets_other_items_beside_the_explicit_negatives():
    others = Uniform(np.arange(2, 10), count=4, per_query=True, log_q=True)
    source = LowRated(DISLIKED, **OPTIONS, others=others)
    positives = queries([9] * 40, users=[4, 2] * 20)
    found = source.sample(positives, np.random.default_rng(0))
    own, rest = np.split(np.arange(10), [6])
    assert not found.weights[0::2][:, own].any()
    assert set(found.ids[1::2][:, own].ravel()) == {3, 5, 7}
    assert set(found.ids[:, rest].ravel()) == set(range(2, 10))
    np.testing.assert_allclose(found.log_q[1::2][:, own], np.log(6 / 3), rtol=1e-6)
    np.testing.assert_allclose(found.log_q[:, rest], np.log(4 / 8), rtol=1e-6)
    is_rest = found.weights[:, rest]
    np.testing.assert_array_equal(is_rest, found.ids[:, rest] != 9)
