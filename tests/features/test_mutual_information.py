from collections import Counter
from math import log

import ibis
import numpy as np
import pyarrow as pa

from two_tower.features.mutual_information import (
    feature_information,
    mutual_information,
    set_symbols,
)

FEATURES = pa.table(
    {
        "item": pa.array([3, 2, 4, 5], pa.int32()),
        "genres": pa.array([[2, 3], [2], [2, 3], [4]], pa.list_(pa.int32())),
        "length": pa.array([0.5, -1.0, 2.0, 3.0], pa.float32()),
        "year": pa.array([2, 2, 3, 3], pa.int32()),
    }
)
N_TRAIN = {2: 3, 3: 1, 4: 2, 5: 0}


def by_definition(columns, weights):
    """Return Σ p(a, b) log(p(a, b) / (p(a) p(b))) of each pair, in a plain loop."""
    total = sum(weights)

    def shares(*pair):
        counts = Counter()
        for *symbols, weight in zip(*pair, weights, strict=True):
            counts[tuple(symbols)] += weight / total
        return counts

    return [
        [
            sum(
                p * log(p / (shares(one)[a,] * shares(other)[b,]))
                for (a, b), p in shares(one, other).items()
                if p
            )
            for other in columns
        ]
        for one in columns
    ]


# covers: L24
def test_each_pair_of_columns_has_its_mutual_information():
    columns = np.random.default_rng(0).integers(0, [3, 5, 2], (40, 3))
    found = mutual_information(columns, np.ones(40, np.int64))
    expected = by_definition(columns.T.tolist(), [1] * 40)
    np.testing.assert_allclose(found, expected, 1e-9, 1e-12)


# covers: L24
def test_an_item_that_counts_n_times_is_n_rows():
    rng = np.random.default_rng(1)
    columns, counts = rng.integers(0, 3, (20, 2)), rng.integers(0, 4, 20)
    found = mutual_information(columns, counts)
    repeated = np.repeat(columns, counts, axis=0)
    expected = by_definition(repeated.T.tolist(), [1] * len(repeated))
    np.testing.assert_allclose(found, expected, 1e-9, 1e-12)


# covers: L24
def test_a_copy_shares_all_information_and_an_independent_column_none():
    # Four equally likely symbols, the same renamed, and an independent coin.
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


def information(features=FEATURES):
    vocabulary = ibis.memtable(
        {"item": list(N_TRAIN), "n_train": list(N_TRAIN.values())}
    ).cast({"item": "int32"})
    return feature_information(ibis.memtable(features), vocabulary)


# covers: L24
def test_items_count_once_per_training_interaction_and_sets_are_symbols():
    found = information()
    assert found["features"] == ["id", "genres", "year"]
    columns = [(2, 3, 4), ("a", "ab", "ab"), ("x", "x", "y")]  # of the items 2, 3, 4
    np.testing.assert_allclose(
        found["matrix"], by_definition(columns, (3, 1, 2)), rtol=1e-12, atol=1e-15
    )


def test_information_does_not_depend_on_the_order_of_the_rows():
    assert information(FEATURES.take([3, 2, 0, 1])) == information()


def test_missing_values_are_a_symbol_too():
    empty = pa.array([[]] * 4, pa.list_(pa.int32()))
    found = information(FEATURES.set_column(1, "genres", empty))
    assert found["matrix"][1] == [0.0, 0.0, 0.0]
