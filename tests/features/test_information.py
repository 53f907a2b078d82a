from collections import Counter
from math import log

import numpy as np

from two_tower.features.mutual_information import mutual_information, set_symbols


def information(rows, others):
    """Return the mutual information of two lists of symbols by its definition."""
    n = len(rows)
    both, one, other = (
        Counter(zip(rows, others, strict=True)),
        Counter(rows),
        Counter(others),
    )
    return sum(
        count / n * log(count / n / (one[a] / n * other[b] / n))
        for (a, b), count in both.items()
    )


# covers: L24
def test_each_pair_of_columns_has_its_mutual_information():
    columns = np.random.default_rng(0).integers(0, [3, 5, 2], (40, 3))
    found = mutual_information(columns, np.ones(40, np.int64))
    expected = [[information(a, b) for b in columns.T] for a in columns.T]
    np.testing.assert_allclose(found, expected, 1e-9, 1e-12)


# covers: L24
def test_an_item_that_counts_n_times_is_n_rows():
    rng = np.random.default_rng(1)
    columns, counts = rng.integers(0, 3, (20, 2)), rng.integers(0, 4, 20)
    found = mutual_information(columns, counts)
    repeated = np.repeat(columns, counts, axis=0)
    expected = [[information(a, b) for b in repeated.T] for a in repeated.T]
    np.testing.assert_allclose(found, expected, 1e-9, 1e-12)


# covers: L24
def test_a_copy_tells_all_and_an_independent_column_nothing_by_hand():
    # Four equally likely symbols, the same renamed, and a coin that is apart.
    one = np.repeat([0, 1, 2, 3], 2)
    columns = np.stack([one, 90 - one, np.tile([5, -5], 4)], axis=1)
    found = mutual_information(columns, np.full(8, 3))
    expected = [[log(4), log(4), 0], [log(4), log(4), 0], [0, 0, log(2)]]
    np.testing.assert_allclose(found, expected, 1e-12, 1e-12)
    assert (found >= 0).all()


# covers: L24
def test_each_distinct_set_is_a_symbol_whatever_its_order_and_padding():
    sets = np.array([[2, 3, 0], [3, 2, 2], [0, 2, 3], [2, 0, 0], [0, 0, 0], [2, 3, 4]])
    first, *others = set_symbols(sets).tolist()
    assert others[:2] == [first, first]
    assert len({first, *others[2:]}) == 4
