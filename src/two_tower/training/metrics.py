"""Figures that an objective offers beside its loss, gathered over an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
from keras import ops

from two_tower.types import Tensor

Reduction = Literal[
    "mean",
    "mean_of_batches",
    "min",
    "max",
    "min_of_means",
    "max_of_means",
    "min_of_shares",
    "max_of_shares",
]

TAKEN = (
    "epoch",
    "loss",
    "steps",
    "learning_rate",
    "temperature",
    "seconds",
    "examples_per_second",
    "validation_seconds",
)
"""Names that an epoch's record, or Keras' logs, have without any measure."""

OF_VALIDATION = "val_"
"""What the names of the validation's figures begin with."""

LEAST_HEAD, GREATEST_HEAD = "head_posterior_min", "head_posterior_max"
"""Measures that raise alarms: the extremes of heads' mean posteriors."""

LEAST_ITEM_HEAD, GREATEST_ITEM_HEAD = "item_head_min", "item_head_max"
"""Likewise: the extremes of heads' shares of the items of histories."""

VECTOR_LIKENESS = "vector_likeness"
"""Likewise: the mean cosine of two vectors of a user."""

LEAST_VECTOR, GREATEST_VECTOR = "vector_share_min", "vector_share_max"
"""Likewise: the extremes of vectors' shares of the positives they are nearest to."""


@dataclass(frozen=True)
class Measure:
    """A figure of each batch, and how an epoch's comes about.

    Attributes:
        name: as the epoch's record has it.
        reduction: `mean` over positives, or `mean_of_batches`; `min` or `max` of the
            batches' figures; or, of a vector, the least or greatest element of its
            mean over positives, `min_of_means` or `max_of_means`, or that element's
            share of their sum, `min_of_shares` or `max_of_shares`.
        size: elements of the vector; 1 for a number.
    """

    name: str
    reduction: Reduction
    size: int = 1


class Accumulator(keras.metrics.Metric):
    """A measure over an epoch so far.

    Args:
        measure: what is gathered.
    """

    def __init__(self, measure: Measure) -> None:
        super().__init__(name=measure.name)
        self.reduction = measure.reduction
        bounds = {"min": float("inf"), "max": -float("inf")}
        self.start = bounds.get(measure.reduction, 0.0)
        self.gathered = self.add_variable(
            (measure.size,), keras.initializers.Constant(self.start), name="gathered"
        )
        self.weight = self.add_variable((), "zeros", name="weight")

    def reset_state(self) -> None:
        self.gathered.assign(ops.full(self.gathered.shape, self.start))
        self.weight.assign(0.0)

    def update_state(self, values: Tensor, sample_weight: Any = None) -> None:
        """Take a batch's figure, `[]` or `[size]`, and its number of positives."""
        values = ops.reshape(ops.cast(values, "float32"), (-1,))
        if self.reduction == "min":
            self.gathered.assign(ops.minimum(self.gathered, values))
        elif self.reduction == "max":
            self.gathered.assign(ops.maximum(self.gathered, values))
        else:
            by_batch = self.reduction == "mean_of_batches" or sample_weight is None
            weight = 1.0 if by_batch else sample_weight
            self.gathered.assign(self.gathered + values * weight)
            self.weight.assign(self.weight + weight)

    def result(self) -> Tensor:
        if self.reduction in {"min", "max"}:
            return self.gathered[0]
        of_sum = self.reduction in {"min_of_shares", "max_of_shares"}
        whole = ops.sum(self.gathered if of_sum else self.weight)
        parts = self.gathered / ops.where(whole > 0, whole, 1.0)
        return ops.max(parts) if self.reduction.startswith("max") else ops.min(parts)


def accumulators(measures: Sequence[Measure]) -> list[Accumulator]:
    """Return an accumulator of each measure.

    Raises:
        ValueError: if two have one name, or one has a name that a record has anyway, or
            that validation figures may have.
    """
    names = [measure.name for measure in measures]
    if taken := [name for name in names if name.startswith(OF_VALIDATION)]:
        raise ValueError(
            f"the objective's measures {taken} have names of validation figures; "
            f"rename them to begin with anything but {OF_VALIDATION!r}"
        )
    repeated = sorted({name for name in names if [*names, *TAKEN].count(name) > 1})
    if repeated:
        raise ValueError(
            f"the objective's measures {repeated} have names that another measure has, "
            f"or an epoch itself, {list(TAKEN)}; rename them"
        )
    return [Accumulator(measure) for measure in measures]
