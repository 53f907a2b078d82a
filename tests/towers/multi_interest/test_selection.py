from functools import partial

import numpy as np
import pytest

from tests.gradients import evaluated
from tests.towers.definitions import unit
from tests.towers.multi_interest.build import any_vectors
from two_tower.towers.multi_interest.layers import best_vectors, flat_view

pytestmark = pytest.mark.backend

VECTORS = unit(any_vectors(3, 4, 5))


# covers: A32
def test_the_flat_view_has_the_vectors_of_a_user_one_behind_the_other():
    found = evaluated(flat_view)(VECTORS)
    expected = [vector for user in VECTORS for vector in user]
    np.testing.assert_array_equal(found, expected)


# covers: A34
@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_best_vectors_come_by_their_scores_best_first(k):
    scores = np.float32([[0, 3, 1, 2], [9, 8, 7, 6], [-1, -4, -3, -2]])
    found = evaluated(partial(best_vectors, k=k))(VECTORS, scores)
    places = [[1, 3, 2, 0], [0, 1, 2, 3], [0, 3, 2, 1]]
    expected = [[VECTORS[u][v] for v in places[u][:k]] for u in range(3)]
    np.testing.assert_array_equal(found, expected)


# covers: A34
@pytest.mark.parametrize("k", [0, 5])
def test_more_vectors_than_there_are_cannot_be_selected(k):
    with pytest.raises(ValueError, match="ask for 1 to 4"):
        best_vectors(VECTORS, np.zeros((3, 4), np.float32), k)
