from collections import Counter
from math import log

import ibis
import numpy as np
import pyarrow as pa

from two_tower.features.mutual_information import feature_information

FEATURES = pa.table(
    {
        "item": pa.array([3, 2, 4, 5], pa.int32()),
        "genres": pa.array([[2, 3], [2], [2, 3], [4]], pa.list_(pa.int32())),
        "length": pa.array([0.5, -1.0, 2.0, 3.0], pa.float32()),
        "year": pa.array([2, 2, 3, 3], pa.int32()),
    }
)
N_TRAIN = {2: 3, 3: 1, 4: 2, 5: 0}


def information(features=FEATURES):
    vocabulary = ibis.memtable(
        {"item": list(N_TRAIN), "n_train": list(N_TRAIN.values())}
    ).cast({"item": "int32"})
    return feature_information(ibis.memtable(features), vocabulary)


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
def test_information_counts_each_training_interaction_and_each_set_as_a_symbol():
    found = information()
    assert found["features"] == ["id", "genres", "year"]
    columns = [(2, 3, 4), ("a", "ab", "ab"), ("x", "x", "y")]  # of the items 2, 3, 4
    np.testing.assert_allclose(
        found["matrix"], by_definition(columns, (3, 1, 2)), rtol=1e-12, atol=1e-15
    )


def test_information_does_not_depend_on_the_order_of_the_rows():
    assert information(FEATURES.take([3, 2, 0, 1])) == information()


def test_items_without_values_are_a_symbol_too():
    empty = pa.array([[]] * 4, pa.list_(pa.int32()))
    found = information(FEATURES.set_column(1, "genres", empty))
    assert found["matrix"][1] == [0.0, 0.0, 0.0]
