"""Metrics that an objective reports beside its loss, aggregated over an epoch."""

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

RESERVED = (
    "epoch",
    "loss",
    "steps",
    "learning_rate",
    "temperature",
    "seconds",
    "examples_per_second",
    "request_time",
    "kept",
    "validation_seconds",
)
"""Names that an epoch's record, or Keras' logs, always have."""

VALIDATION_PREFIX = "val_"
"""What the names of validation metrics begin with."""

HEAD_POSTERIOR_MIN, HEAD_POSTERIOR_MAX = "head_posterior_min", "head_posterior_max"
"""Metrics that raise alarms: the least and the greatest mean posterior of a head."""

ITEM_HEAD_MIN, ITEM_HEAD_MAX = "item_head_min", "item_head_max"
"""Metrics that raise alarms: heads' least and greatest share of history items."""

VECTOR_LIKENESS = "vector_likeness"
"""Metric that raises an alarm: the mean cosine of two vectors of a user."""

VECTOR_SHARE_MIN, VECTOR_SHARE_MAX = "vector_share_min", "vector_share_max"
"""Metrics that raise alarms: vectors' least and greatest share of the positives."""


@dataclass(frozen=True)
class Metric:
    """A value of each batch, and how an epoch aggregates it.

    Attributes:
        name: in the epoch's record.
        reduction: `mean` over positives, or `mean_of_batches`; `min` or `max` over
            batches. Of a vector, `min_of_means` and `max_of_means` are the least and
            greatest element of its mean over positives, `min_of_shares` and
            `max_of_shares` that element's share of their sum.
        size: elements of the vector; 1 for a number.
    """

    name: str
    reduction: Reduction
    size: int = 1


class Aggregate(keras.metrics.Metric):
    """A metric over an epoch so far.

    Args:
        metric: its name, reduction and size.
    """

    def __init__(self, metric: Metric) -> None:
        super().__init__(name=metric.name)
        self.reduction = metric.reduction
        bounds = {"min": float("inf"), "max": -float("inf")}
        self.start = bounds.get(metric.reduction, 0.0)
        self.total = self.add_variable(
            (metric.size,), keras.initializers.Constant(self.start), name="total"
        )
        self.weight = self.add_variable((), "zeros", name="weight")

    def reset_state(self) -> None:
        self.total.assign(ops.full(self.total.shape, self.start))
        self.weight.assign(0.0)

    def update_state(self, values: Tensor, sample_weight: Any = None) -> None:
        """Add a batch's value, `[]` or `[size]`, and its number of positives."""
        values = ops.reshape(ops.cast(values, "float32"), (-1,))
        if self.reduction == "min":
            self.total.assign(ops.minimum(self.total, values))
        elif self.reduction == "max":
            self.total.assign(ops.maximum(self.total, values))
        else:
            by_batch = self.reduction == "mean_of_batches" or sample_weight is None
            weight = 1.0 if by_batch else sample_weight
            self.total.assign(self.total + values * weight)
            self.weight.assign(self.weight + weight)

    def result(self) -> Tensor:
        if self.reduction in {"min", "max"}:
            return self.total[0]
        of_sum = self.reduction in {"min_of_shares", "max_of_shares"}
        whole = ops.sum(self.total if of_sum else self.weight)
        parts = self.total / ops.where(whole > 0, whole, 1.0)
        return ops.max(parts) if self.reduction.startswith("max") else ops.min(parts)


def build_aggregates(metrics: Sequence[Metric]) -> list[Aggregate]:
    """Return an aggregate of each metric.

    Raises:
        ValueError: if two metrics share a name, or one has a reserved name or that of a
            validation metric.
    """
    names = [metric.name for metric in metrics]
    if reserved := [name for name in names if name.startswith(VALIDATION_PREFIX)]:
        raise ValueError(
            f"the objective's metrics {reserved} have names of validation metrics; "
            f"rename them to begin with anything but {VALIDATION_PREFIX!r}"
        )
    repeated = sorted({name for name in names if [*names, *RESERVED].count(name) > 1})
    if repeated:
        raise ValueError(
            f"the objective's metrics {repeated} have names of other metrics, or "
            f"reserved names {list(RESERVED)}; rename them"
        )
    return [Aggregate(metric) for metric in metrics]
