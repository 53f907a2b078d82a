"""The Keras model that `fit` trains: towers, an objective and a temperature."""

import math
from typing import Any

import keras
from keras import ops

from two_tower.towers.two_tower import TwoTower
from two_tower.training.keras_input import N_STEPS
from two_tower.training.metrics import build_aggregates
from two_tower.training.objectives.base import Objective
from two_tower.types import Tensor


class Temperature(keras.layers.Layer):
    """Temperature of the scores, above 0; if it is learned, its logarithm is trained.

    Args:
        start: its value; the initial one if it is learned.
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
        """The current value."""
        return float(self.call())


class RetrievalTask(keras.Model):
    """Towers under training, with their objective; only the towers are saved.

    Args:
        towers: under training.
        objective: the loss that is minimised, and metrics beside it.
        temperature: divides the scores.

    Raises:
        ValueError: if the objective's metrics have repeated or reserved names.
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
        self.objective_metrics = list(objective.metrics(towers))
        self.aggregates = build_aggregates(self.objective_metrics)

    def build(self, _: Any = None) -> None:
        for part in (self.towers, self.temperature):
            if not part.built:
                part.build()
        self.built = True

    def call(
        self, batch: dict[str, Tensor], *, training: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the batch's losses, a float32 scalar, and its metrics.

        Raises:
            ValueError: if the objective does not return the metrics that it declares.
        """
        loss, metrics = self.objective(
            self.towers,
            batch,
            temperature=self.temperature.call(),
            training=training,
        )
        declared = sorted(metric.name for metric in self.objective_metrics)
        if sorted(metrics) != declared:
            raise ValueError(
                f"{type(self.objective).__name__} returned the metrics "
                f"{sorted(metrics)}, but declares {declared}; make both lists equal"
            )
        return loss, metrics

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002 (Keras' signature)
    ) -> Tensor:
        """Return the mean loss of a positive, with the penalties of the weights."""
        n_positives = ops.sum(x["weights"])
        total, metrics = y_pred
        loss = total / ops.maximum(n_positives, 1.0)
        self.mean_loss.update_state(loss, sample_weight=n_positives)
        self.n_steps.update_state(1)
        for aggregate in self.aggregates:
            aggregate.update_state(metrics[aggregate.name], sample_weight=n_positives)
        return sum(self.losses, start=loss)

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Return the epoch's loss per positive, steps and objective metrics so far."""
        return {
            "loss": self.mean_loss.result(),
            "steps": self.n_steps.result(),
            **{aggregate.name: aggregate.result() for aggregate in self.aggregates},
        }


class StackedTask(RetrievalTask):
    """A task whose call of the graph takes the steps of several batches, on TensorFlow.

    Each batch of a stack is a step of its own. With XLA a stack is one computation:
    passing the weights in and out takes longer than a small step itself.
    """

    def train_step(self, stack: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take one step for each real batch of the stack."""
        import tensorflow as tf

        n_steps = stack[N_STEPS]
        arrays = {name: array for name, array in stack.items() if name != N_STEPS}
        train_on = super().train_step

        def step(number: Tensor) -> tuple[Tensor]:
            train_on({name: array[number] for name, array in arrays.items()})
            return (number + 1,)

        tf.while_loop(
            lambda number: number < n_steps, step, (0,), parallel_iterations=1
        )
        return self.get_metrics_result()
