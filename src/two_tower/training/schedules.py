"""Learning-rate schedules: their parameters, and how they are built."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from pydantic import Field

from two_tower.params import OneOf, Params


class Horizon(NamedTuple):
    """Length of a training.

    Attributes:
        steps_per_epoch: optimiser steps of an epoch.
        epochs: epochs of the whole training.
    """

    steps_per_epoch: int
    epochs: int

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.steps_per_epoch * self.epochs


class ScheduleParams(Params, ABC):
    """Options of a schedule, and how it is built."""

    @abstractmethod
    def build(self, peak: float, horizon: Horizon) -> Any:
        """Return the learning rate, a number or a Keras schedule.

        Args:
            peak: the highest rate.
            horizon: length of the training.
        """


class Constant(ScheduleParams):
    """The same rate throughout."""

    def build(self, peak: float, horizon: Horizon) -> float:
        del horizon
        return peak


class Cosine(ScheduleParams):
    """Linear warm-up, then decay along half a cosine."""

    warmup_steps: int = Field(
        ge=0, description="steps of warm-up, at most a third of all"
    )
    final_share: float = Field(ge=0, le=1, description="last rate over the peak")

    def build(self, peak: float, horizon: Horizon) -> Any:
        from keras.optimizers.schedules import CosineDecay

        # However short the training, it reaches the peak.
        warmup_steps = min(self.warmup_steps, horizon.total_steps // 3)
        decay_steps = max(horizon.total_steps - warmup_steps, 1)
        if not warmup_steps:
            return CosineDecay(peak, decay_steps, alpha=self.final_share)
        return CosineDecay(
            0.0,
            decay_steps,
            alpha=self.final_share,
            warmup_target=peak,
            warmup_steps=warmup_steps,
        )


class Exponential(ScheduleParams):
    """Decay by a constant factor per epoch."""

    per_epoch: float = Field(gt=0, le=1, description="factor of the rate")
    staircase: bool = Field(description="at the end of epochs, not step by step")

    def build(self, peak: float, horizon: Horizon) -> Any:
        from keras.optimizers.schedules import ExponentialDecay

        return ExponentialDecay(
            peak, horizon.steps_per_epoch, self.per_epoch, staircase=self.staircase
        )


class Schedule(OneOf[ScheduleParams]):
    """How the learning rate changes over the training."""

    constant: Constant = Constant()
    cosine: Cosine
    exponential: Exponential
