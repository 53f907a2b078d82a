"""Dropout in the graphs of TensorFlow, whose shapes vary."""

import pytest
import tensorflow as tf

from two_tower.towers.dropout import Dropout


@pytest.mark.parametrize("compiled", [False, True])
def test_one_graph_serves_batches_of_any_shape(compiled):
    layer, n_traces = Dropout(0.3, seed=1), 0

    @tf.function(input_signature=[tf.TensorSpec([None, None])], jit_compile=compiled)
    def drop(rows):
        nonlocal n_traces
        n_traces += 1
        return layer(rows, training=True)

    for shape in [(30, 40), (20, 60), (1, 1)]:
        assert drop(tf.ones(shape)).shape == shape
    assert n_traces == 1
