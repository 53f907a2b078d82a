"""The model that `fit` trains: towers and an objective."""

import math
from typing import Any

import keras
from keras import ops

from two_tower.towers.two_tower import TwoTower
from two_tower.training.keras_input import N_STEPS
from two_tower.training.metrics import accumulators
from two_tower.training.objectives.single_vector import MeasuringObjective, Objective
from two_tower.types import Tensor


class Temperature(keras.layers.Layer):
    """A temperature above 0, whatever training does to it.

    What is learned is its logarithm.

    Args:
        start: its value, or the first one if it is learned.
        learned: whether it is trained.
    """

    def __init__(self, start: float, *, learned: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start
        self.learned = learned

    def build(self, _: Any = None) -> None:
        if self.learned:
            self.log_temperature = self.add_weight(
                name="log_temperature",
                shape=(),
                initializer=keras.initializers.Constant(math.log(self.start)),
            )
        self.built = True

    def call(self) -> float | Tensor:
        """Return the temperature, a number or a float32 scalar."""
        return ops.exp(self.log_temperature) if self.learned else self.start

    @property
    def current(self) -> float:
        """The temperature as it is now."""
        return float(self.call())


class RetrievalTask(keras.Model):
    """Towers under training; only the towers outlive it.

    Args:
        towers: what is trained.
        objective: what it minimises, and maybe measures.
        temperature: what scores are divided by.

    Raises:
        ValueError: if the objective's measures have names that are taken.
    """

    def __init__(
        self,
        towers: TwoTower,
        objective: Objective,
        temperature: Temperature,
    ) -> None:
        super().__init__()
        self.towers = towers
        self.objective = objective
        self.temperature = temperature
        self.mean_loss = keras.metrics.Mean(name="loss_per_positive")
        self.n_steps = keras.metrics.Sum(name="n_steps", dtype="int32")
        self.measures = (
            list(objective.measures(towers))
            if isinstance(objective, MeasuringObjective)
            else []
        )
        self.accumulators = accumulators(self.measures)

    def build(self, _: Any = None) -> None:
        for part in (self.towers, self.temperature):
            if not part.built:
                part.build()
        self.built = True

    def call(
        self, batch: dict[str, Tensor], *, training: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the batch's losses, a float32 scalar, and its figures."""
        objective, temperature = self.objective, self.temperature.call()
        if isinstance(objective, MeasuringObjective):
            return objective.measured(
                self.towers, batch, temperature=temperature, training=training
            )
        loss = objective(self.towers, batch, temperature=temperature, training=training)
        return loss, {}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002 (Keras' signature)
    ) -> Tensor:
        """Return the mean loss of a positive, with what regularises the weights."""
        n_positives = ops.sum(x["weights"])
        total, figures = y_pred
        loss = total / ops.maximum(n_positives, 1.0)
        self.mean_loss.update_state(loss, sample_weight=n_positives)
        self.n_steps.update_state(1)
        for measure in self.accumulators:
            measure.update_state(figures[measure.name], sample_weight=n_positives)
        return sum(self.losses, start=loss)

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Return the epoch's loss per positive, steps and measures so far.

        The loss is the same whatever the sizes of batches.
        """
        return {
            "loss": self.mean_loss.result(),
            "steps": self.n_steps.result(),
            **{measure.name: measure.result() for measure in self.accumulators},
        }


class StackedTask(RetrievalTask):
    """A task that takes the batches of a stack one after the other, on TensorFlow.

    Each is a step of its own. All steps of a stack are one call of the graph, within
    one XLA computation if it is compiled: weights are not handed in and out for each,
    which takes longer than a small step itself.
    """

    def train_step(self, stack: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take as many steps as the stack has real batches."""
        import tensorflow as tf

        n_steps = stack[N_STEPS]
        arrays = {name: array for name, array in stack.items() if name != N_STEPS}
        train_on = super().train_step

        def step(place: Tensor) -> tuple[Tensor]:
            train_on({name: array[place] for name, array in arrays.items()})
            return (place + 1,)

        tf.while_loop(lambda place: place < n_steps, step, (0,), parallel_iterations=1)
        return self.get_metrics_result()
