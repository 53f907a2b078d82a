"""The kind that reads a number."""

import numpy as np
import pyarrow as pa
import pytest

from tests.features.tables import declare, encoded, entities, meaning

NUMBER = declare(kind="dense")


def test_numbers_are_standardised_over_the_training():
    items = entities([1.0, 3.0, None, 9.0, float("nan")], n_train=[1, 1, 1, 0, 1])
    vocabulary, schema, found = encoded(items, NUMBER)
    assert vocabulary == []
    assert schema == meaning("dense") | {"mean": 2.0, "std": 1.0}
    assert found == [-1.0, 1.0, 0.0, 7.0, 0.0]


def test_standardised_columns_have_mean_zero_and_deviation_one():
    values = np.random.default_rng(0).normal(50, 9, 200).tolist()
    found = np.array(encoded(entities(values), NUMBER)[2], np.float64)
    np.testing.assert_allclose([found.mean(), found.std()], [0, 1], atol=1e-5)


@pytest.mark.parametrize("values", [[5.0, 5.0], [None, None], []])
def test_a_column_without_spread_is_zero(values):
    found = encoded(entities(values, dtype=pa.float64()), NUMBER)[2]
    assert found == [0.0] * len(values)


def test_the_deployed_mean_and_deviation_are_kept():
    deployed = meaning("dense") | {"mean": 2.0, "std": 4.0}
    _, schema, found = encoded(entities([10.0, 30.0]), NUMBER, schema=deployed)
    assert schema == deployed
    assert found == [2.0, 7.0]
