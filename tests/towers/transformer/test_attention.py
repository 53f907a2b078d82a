from functools import partial

import numpy as np
import pytest

from tests.gradients import evaluated
from tests.towers.build import any_vectors
from tests.towers.definitions import attention
from two_tower.towers.transformer.attention import softmax_attention

pytestmark = pytest.mark.backend

attend = evaluated(partial(softmax_attention, bias=None, drop=lambda weights: weights))


# covers: X1
def test_attention_follows_the_definition():
    queries, keys, values = any_vectors(3, 2, 1, 5, 3)
    found = attend(queries, keys, values)
    for head in range(2):
        expected = attention(
            *(np.float64(part[head, 0]) for part in (queries, keys, values))
        )
        np.testing.assert_allclose(found[head, 0], expected, 1e-5, 1e-6)


# covers: X1
def test_attention_with_equal_logits_is_the_mean_of_the_past():
    values = any_vectors(2, 1, 5, 3)
    zeros = np.zeros_like(values)
    found = attend(zeros, zeros, values)
    expected = [values[1, 0, : t + 1].mean(axis=0) for t in range(5)]
    np.testing.assert_allclose(found[1, 0], expected, 1e-5, 1e-6)
