import numpy as np
import pytest

from benchmarks.recovered import normalised_information


def test_the_same_groups_under_other_names_tell_all():
    assert normalised_information(
        np.array([0, 0, 1, 2]), np.array([5, 5, 3, 4])
    ) == pytest.approx(1)


def test_independent_labels_tell_nothing():
    one, other = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert normalised_information(one, other) == pytest.approx(0, abs=1e-12)


def test_half_of_what_there_is_to_tell():
    # The first says which half (1 bit) of the four (2 bits): 1 / 1.5.
    one, other = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])
    assert normalised_information(one, other) == pytest.approx(2 / 3)
