import numpy as np

from tests.negatives.batches import queries
from two_tower.negatives.log_q import ExactFrequencies
from two_tower.negatives.mixed import Mixed

SHARES = np.array([0, 0, 0.5, 0.3, 0.15, 0.05, 0])
LOG_SHARES = np.log(np.maximum(SHARES, 1e-8)).astype(np.float32)


def mixed(frequencies):
    return Mixed(np.arange(2, 7), count=3, block=4, frequencies=frequencies)


# covers: X3
def test_the_batchs_items_come_first_then_the_sampled_ones():
    found = mixed(None).sample(queries([4, 2, 4, 0], weights=[1, 1, 1, 0]), _rng())
    assert found.ids[:4].tolist() == [2, 4, 0, 0]
    assert found.weights.tolist() == [1, 2, 0, 0, 1, 1, 1]
    assert ((found.ids[4:] >= 2) & (found.ids[4:] < 7)).all()
    assert found.own_column[:3].tolist() == [1, 0, 1]
    assert not found.log_q.any()
    assert not found.own_log_q.any()


# covers: L18, X3
def test_log_q_is_the_log_of_an_items_number_in_both_parts():
    positives = queries([2, 5, 3, 0], weights=[1, 1, 1, 0])
    found = mixed(ExactFrequencies(LOG_SHARES)).sample(positives, _rng())
    expected = np.log(3 * SHARES + 3 / 5)  # three real queries, three of five items
    is_real = found.weights > 0
    np.testing.assert_allclose(
        found.log_q[is_real], expected[found.ids[is_real]], rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        found.own_log_q[:3], expected[[2, 5, 3]], rtol=1e-6, atol=1e-6
    )


# covers: L18, X3
def test_items_are_there_as_often_as_log_q_says():
    rng, source = _rng(), mixed(ExactFrequencies(LOG_SHARES))
    totals = np.zeros((5000, 7))
    log_q = np.zeros(7)
    for row in totals:
        found = source.sample(queries(rng.choice(7, 8, p=SHARES)), rng)
        np.add.at(row, found.ids, found.weights)
        log_q[found.ids] = found.log_q
    error = totals.std(axis=0)[2:] / np.sqrt(len(totals))
    deviation = np.abs(totals.mean(axis=0) - np.exp(log_q))[2:] / error
    assert deviation.max() < 3.5


def _rng():
    return np.random.default_rng(3)
