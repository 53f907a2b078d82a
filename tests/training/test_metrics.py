"""What objectives measure, over an epoch, and in its record."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from tests.training.fit_tiny import build_towers, pair_feed_of, state_of, walks
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.fit import fit
from two_tower.training.metrics import Accumulator, Measure, accumulators
from two_tower.training.task import RetrievalTask, StackedTask, Temperature


class Counting:
    """An objective that measures how many positives a batch has."""

    names = ("size", "size_min", "size_max", "batches", "bin_min", "bin_max")

    def measures(self, towers):
        reductions = ("mean", "min", "max", "mean_of_batches")
        numbers = map(Measure, self.names, reductions)
        return [
            *numbers,
            Measure("bin_min", "min_of_means", 3),
            Measure("bin_max", "max_of_means", 3),
        ]

    def measured(self, towers, batch, *, temperature, training):
        n_positives = ops.sum(batch["weights"])
        loss = 0 * ops.sum(towers.queries(batch, training=training))
        bins = ops.stack([n_positives, 0 * n_positives, 1 + 0 * n_positives])
        figures = [n_positives] * 4 + [bins] * 2
        return loss, dict(zip(self.names, figures, strict=True))

    def __call__(self, towers, batch, *, temperature, training):
        return self.measured(towers, batch, temperature=temperature, training=training)[
            0
        ]


def gathered(reduction, figures, weights, size=1):
    accumulator = Accumulator(Measure("figure", reduction, size))
    for figure, weight in zip(figures, weights, strict=True):
        accumulator.update_state(np.array(figure, np.float32), sample_weight=weight)
    return accumulator


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
def test_figures_of_batches_become_one_of_an_epoch(reduction, expected):
    found = gathered(reduction, [4.0, 1.0], [2.0, 6.0])
    assert float(found.result()) == pytest.approx(expected)


# covers: A49
@pytest.mark.backend
@pytest.mark.parametrize(("reduction", "expected"), [("min", 0.3), ("max", 0.7)])
def test_extremes_of_a_vector_are_of_its_mean_over_the_epoch(reduction, expected):
    # One head has all of the first batch, the other most of the second.
    figures, weights = [[1.0, 0.0], [0.0, 1.0]], [3.0, 7.0]
    found = gathered(f"{reduction}_of_means", figures, weights, size=2)
    assert float(found.result()) == pytest.approx(expected)


# covers: A49
@pytest.mark.backend
@pytest.mark.parametrize(("reduction", "expected"), [("min", 0.25), ("max", 0.75)])
def test_extremes_of_a_vector_may_be_shares_of_its_sum(reduction, expected):
    # A fifth of the positives has no part in it; of the others the first has a quarter.
    figures, weights = [[0.5, 0.3], [0.0, 0.8]], [4.0, 6.0]
    found = gathered(f"{reduction}_of_shares", figures, weights, size=2)
    assert float(found.result()) == pytest.approx(expected)
    found.reset_state()
    assert float(found.result()) == 0


@pytest.mark.backend
@pytest.mark.parametrize("reduction", ["mean", "mean_of_batches", "min", "max"])
def test_an_epoch_begins_with_nothing(reduction):
    found = gathered(reduction, [-8.0, 9.0], [1.0, 1.0])
    found.reset_state()
    found.update_state(2.0, sample_weight=1.0)
    assert float(found.result()) == 2


# covers: A50
@pytest.mark.parametrize(
    "names",
    [["a", "b", "a"], ["loss"], ["steps"], ["temperature"], ["val"] * 2],
)
def test_a_name_that_is_taken_is_refused(names):
    with pytest.raises(ValueError, match=rf"measures \['{names[0]}'\] have names"):
        accumulators([Measure(name, "mean") for name in names])


# covers: A50
def test_a_name_that_looks_like_a_validation_figure_is_refused():
    with pytest.raises(ValueError, match=r"\['val_mrr'\] have names of validation"):
        accumulators([Measure("nll", "mean"), Measure("val_mrr", "mean")])


# covers: A50
def test_a_task_refuses_an_objective_of_repeated_measures():
    class Repeated(Counting):
        def measures(self, towers):
            return [Measure("nll", "mean"), Measure("nll", "max")]

    towers = build_towers("profile")
    with pytest.raises(ValueError, match="nll"):
        RetrievalTask(towers, Repeated(), Temperature(0.2, learned=False))


def run(folder, *, stacked=False, epochs=2):
    """Return an epoch's record of each, of a training that counts, and its feed."""
    feed = pair_feed_of(walks(5), size=16)
    state = state_of(build_towers("profile"), feed, objective=Counting())
    if stacked:
        old = state.task
        task = StackedTask(old.towers, old.objective, old.temperature)
        task.build()
        task.compile(keras.optimizers.SGD(0.05))
        task.optimizer.build(task.trainable_variables)
        state.task, state.stack = task, 2
    store = CheckpointStore(folder)
    return fit(state, None, epochs=epochs, validate_every=1, store=store), feed


def assert_measured(records, feed):
    """Hold the records against the sizes of the feed's batches."""
    sizes = np.array([batch["weights"].sum() for batch in feed])
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
def test_each_epochs_record_has_the_measures(tmp_path):
    assert_measured(*run(tmp_path))


# covers: A49
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX's steps are not stacked"
)
def test_measures_are_gathered_within_a_stack_too(tmp_path):
    assert_measured(*run(tmp_path, stacked=True))
