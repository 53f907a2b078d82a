"""Metrics of objectives, over an epoch and in its record."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from tests.training.fit_tiny import build_towers, pair_batches, state_of, walks
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.fit import fit
from two_tower.training.metrics import Aggregate, Metric, build_aggregates
from two_tower.training.objectives.base import Objective
from two_tower.training.task import RetrievalTask, StackedTask, Temperature


class Counting(Objective):
    """An objective whose metrics count the positives of a batch."""

    names = ("size", "size_min", "size_max", "batches", "bin_min", "bin_max")

    def metrics(self, towers):
        reductions = ("mean", "min", "max", "mean_of_batches")
        numbers = map(Metric, self.names, reductions)
        return [
            *numbers,
            Metric("bin_min", "min_of_means", 3),
            Metric("bin_max", "max_of_means", 3),
        ]

    def __call__(self, towers, batch, *, temperature, training):
        n_positives = ops.sum(batch["weights"])
        loss = 0 * ops.sum(towers.queries(batch, training=training))
        bins = ops.stack([n_positives, 0 * n_positives, 1 + 0 * n_positives])
        values = [n_positives] * 4 + [bins] * 2
        return loss, dict(zip(self.names, values, strict=True))


def aggregate(reduction, values, weights, size=1):
    result = Aggregate(Metric("any", reduction, size))
    for value, weight in zip(values, weights, strict=True):
        result.update_state(np.array(value, np.float32), sample_weight=weight)
    return result


# covers: A49
@pytest.mark.backend
@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        ("mean", (4 * 2 + 1 * 6) / 8),
        ("mean_of_batches", 2.5),
        ("min", 1),
        ("max", 4),
    ],
)
def test_values_of_batches_are_reduced_to_one_of_an_epoch(reduction, expected):
    found = aggregate(reduction, [4.0, 1.0], [2.0, 6.0])
    assert float(found.result()) == pytest.approx(expected)


# covers: A49
@pytest.mark.backend
@pytest.mark.parametrize(("reduction", "expected"), [("min", 0.3), ("max", 0.7)])
def test_extremes_of_a_vector_are_of_its_mean_over_the_epoch(reduction, expected):
    # One head has all of the first batch, the other all of the second.
    values, weights = [[1.0, 0.0], [0.0, 1.0]], [3.0, 7.0]
    found = aggregate(f"{reduction}_of_means", values, weights, size=2)
    assert float(found.result()) == pytest.approx(expected)


# covers: A49
@pytest.mark.backend
@pytest.mark.parametrize(("reduction", "expected"), [("min", 0.25), ("max", 0.75)])
def test_extremes_of_a_vector_may_be_shares_of_its_sum(reduction, expected):
    # The elements add up to 0.8; the first has a quarter of that.
    values, weights = [[0.5, 0.3], [0.0, 0.8]], [4.0, 6.0]
    found = aggregate(f"{reduction}_of_shares", values, weights, size=2)
    assert float(found.result()) == pytest.approx(expected)
    found.reset_state()
    assert float(found.result()) == 0


@pytest.mark.backend
@pytest.mark.parametrize("reduction", ["mean", "mean_of_batches", "min", "max"])
def test_a_reset_aggregate_forgets_earlier_values(reduction):
    found = aggregate(reduction, [-8.0, 9.0], [1.0, 1.0])
    found.reset_state()
    found.update_state(2.0, sample_weight=1.0)
    assert float(found.result()) == 2


# covers: A50
@pytest.mark.parametrize(
    "names",
    [["a", "b", "a"], ["loss"], ["steps"], ["temperature"], ["val"] * 2],
)
def test_a_repeated_or_reserved_name_is_refused(names):
    with pytest.raises(ValueError, match=rf"metrics \['{names[0]}'\] have names"):
        build_aggregates([Metric(name, "mean") for name in names])


# covers: A50
def test_a_name_of_a_validation_metric_is_refused():
    with pytest.raises(ValueError, match=r"\['val_mrr'\] have names of validation"):
        build_aggregates([Metric("nll", "mean"), Metric("val_mrr", "mean")])


# covers: A50
def test_a_task_refuses_an_objective_with_repeated_metrics():
    class Repeated(Counting):
        def metrics(self, towers):
            return [Metric("nll", "mean"), Metric("nll", "max")]

    towers = build_towers("profile")
    with pytest.raises(ValueError, match="nll"):
        RetrievalTask(towers, Repeated(), Temperature(0.2, learned=False))


def run(folder, *, stacked=False, epochs=2):
    """Return the records of a training that counts, and its batches."""
    batches = pair_batches(walks(5), size=16)
    state = state_of(build_towers("profile"), batches, objective=Counting())
    if stacked:
        old = state.task
        task = StackedTask(old.towers, old.objective, old.temperature)
        task.build()
        task.compile(keras.optimizers.SGD(0.05))
        task.optimizer.build(task.trainable_variables)
        state.task, state.stack = task, 2
    store = CheckpointStore(folder)
    return fit(state, None, epochs=epochs, validate_every=1, store=store), batches


def assert_counted(records, batches):
    """Compare the records with the sizes of the batches."""
    sizes = np.array([batch["weights"].sum() for batch in batches])
    assert len(set(sizes)) > 1
    mean = (sizes * sizes).sum() / sizes.sum()
    expected = {
        "size": mean,
        "size_min": sizes.min(),
        "size_max": sizes.max(),
        "batches": sizes.mean(),
        "bin_min": 0,
        "bin_max": mean,
    }
    for record in json.loads(json.dumps(records)):
        found = {name: record[name] for name in expected}
        assert found == pytest.approx(expected, rel=1e-5)


# covers: A49
@pytest.mark.backend
def test_each_epochs_record_has_the_metrics(tmp_path):
    assert_counted(*run(tmp_path))


# covers: A49
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX's steps are not stacked"
)
def test_metrics_are_aggregated_within_a_stack_too(tmp_path):
    assert_counted(*run(tmp_path, stacked=True))
