import numpy as np
import pytest
from scipy.stats import chisquare

from tests.negatives.batches import queries, sampled_per_batch
from two_tower.negatives.popular import Popular

COUNTS = np.array([900, 900, 0, 1, 16, 81, 256, 0])
OPTIONS = {"count": 6, "per_query": False, "log_q": True}


# covers: L17
@pytest.mark.parametrize("per_query", [False, True])
def test_the_shape_is_shared_or_per_positive(per_query):
    options = {**OPTIONS, "per_query": per_query}
    found = Popular(COUNTS, exponent=1, **options).sample(
        queries([3, 4, 3]), np.random.default_rng(0)
    )
    shape = (3, 6) if per_query else (6,)
    assert found.ids.shape == found.weights.shape == found.log_q.shape == shape
    assert found.ids.dtype == np.int32
    assert found.own_log_q.tolist() == [0, 0, 0]


# covers: L17, L18
@pytest.mark.parametrize(
    ("exponent", "masses"), [(1, [1, 16, 81, 256]), (0.75, [1, 8, 27, 64])]
)
def test_items_are_sampled_in_proportion_to_a_power_of_their_count(exponent, masses):
    source = Popular(COUNTS, exponent=exponent, **OPTIONS)
    totals = sampled_per_batch(source, queries([0]), 3000, n_items=8).sum(axis=0)
    expected = 3000 * 6 * np.array(masses) / sum(masses)
    assert not totals[[0, 1, 2, 7]].any()
    assert chisquare(totals[3:7], expected).pvalue > 0.01


# covers: L18
def test_log_q_is_the_log_of_the_expected_number_of_samples():
    source = Popular(COUNTS, exponent=0.75, **OPTIONS)
    found = source.sample(queries([0]), np.random.default_rng(0))
    masses = np.array([0, 0, 0, 1, 8, 27, 64, 0])
    np.testing.assert_allclose(
        found.log_q, np.log(6 * masses[found.ids] / 100), rtol=1e-6
    )


def test_exponent_zero_is_uniform_over_every_item_that_was_chosen():
    source = Popular(COUNTS, exponent=0, **OPTIONS)
    totals = sampled_per_batch(source, queries([0]), 2000, n_items=8).sum(axis=0)
    assert not totals[[0, 1, 2, 7]].any()
    assert chisquare(totals[3:7]).pvalue > 0.01


# covers: L18
def test_without_correction_all_logs_are_zero():
    source = Popular(COUNTS, exponent=1, **{**OPTIONS, "log_q": False})
    assert not source.sample(queries([3]), np.random.default_rng(0)).log_q.any()
