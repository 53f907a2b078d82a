"""The scoring step: temperature, log q, weights and masks."""

from math import log

import numpy as np
import pytest

from two_tower.losses.logits import (
    candidate_bias,
    candidate_logits,
    correct,
    find_masked,
    log_weights,
    scale,
)
from two_tower.types import MASKED_LOGIT

pytestmark = pytest.mark.backend

LABELS = np.array([3, 6], np.int32)
IDS = np.array([3, 4, 6], np.int32)
EXCLUDED = np.array([[True, True, False], [False, False, False]])


# covers: L18, L20
def test_the_temperature_divides_before_log_q_is_subtracted():
    logits = correct(scale(np.float16([1.0, -1.0]), 0.5), np.log(np.float32([0.5, 2])))
    assert "float32" in str(logits.dtype)
    np.testing.assert_allclose(np.asarray(logits), [2 + log(2), -2 - log(2)], 1e-6)


# covers: X3
def test_a_weight_adds_its_logarithm_and_zero_masks():
    found = np.asarray(log_weights(np.float32([1, 2, 0.5, 0])))
    np.testing.assert_allclose(found, [0, log(2), -log(2), MASKED_LOGIT], 1e-6)


# covers: L18
def test_the_bias_of_candidates_is_log_weight_less_log_q():
    weights, log_q = np.float32([2, 0]), np.log(np.float32([0.25, 0.25]))
    found = np.asarray(candidate_bias(weights, log_q))
    np.testing.assert_allclose(found, [log(8), MASKED_LOGIT], 1e-6)


# covers: L20, N10
def test_hits_are_masked_beside_excluded_candidates():
    hits = np.asarray(find_masked(LABELS, IDS, None, mask_hits=True))
    assert hits.tolist() == [[True, False, False], [False, False, True]]
    both = np.asarray(find_masked(LABELS, IDS, EXCLUDED, mask_hits=True))
    assert both.tolist() == [[True, True, False], [False, False, True]]


# covers: L20, X3
def test_negatives_of_each_query_that_are_its_positive_are_masked():
    own = np.array([[3, 4, 3], [4, 5, 6]], np.int32)
    masked = np.asarray(find_masked(LABELS, own, None, mask_hits=True))
    assert masked.tolist() == [[True, False, True], [False, False, True]]


# covers: L20
def test_without_masked_hits_the_own_item_is_never_excluded():
    assert find_masked(LABELS, IDS, None, mask_hits=False) is None
    found = np.asarray(find_masked(LABELS, IDS, EXCLUDED, mask_hits=False))
    assert found.tolist() == [[False, True, False], [False, False, False]]


# covers: L20, N10
def test_a_masked_logit_is_finite_and_has_no_probability():
    masked = np.array([[False, True]])
    logits = candidate_logits(np.float32([[1, 9]]), np.float32([0.5, 0.5]), masked)
    assert np.asarray(logits).tolist() == [[1.5, MASKED_LOGIT]]
    assert np.exp(np.asarray(logits)[0, 1]) == 0
