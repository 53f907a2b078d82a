import numpy as np
import pytest

from benchmarks.recovered import normalised_information


def test_equal_groups_with_other_labels_have_all_the_information():
    assert normalised_information(
        np.array([0, 0, 1, 2]), np.array([5, 5, 3, 4])
    ) == pytest.approx(1)


def test_independent_labels_have_no_information():
    one, other = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert normalised_information(one, other) == pytest.approx(0, abs=1e-12)


def test_the_information_is_relative_to_the_mean_entropy():
    # Shared: 1 bit. Entropies: 1 bit and 2 bits. 1 / 1.5.
    one, other = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])
    assert normalised_information(one, other) == pytest.approx(2 / 3)
