"""Averages of weights over the steps of training."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from two_tower.towers.batch_norm import STATISTICS
from two_tower.towers.two_tower import TwoTower
from two_tower.types import Tensor

Rate: TypeAlias = Callable[[Tensor], Tensor]
"""From the number of weights that an average is of, float32, to the share that the
next ones get in it; the first share is 1."""

# Share of the newest weights: 1, 9/11, 9/12, … until the momentum leaves less.
WARM_UP = 9.0


def assign_all(
    variables: Sequence[keras.Variable], values: Sequence[np.ndarray]
) -> None:
    """Give each variable its value, in the same order.

    Raises:
        ValueError: if there are more of the one than of the other.
    """
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def exponential_average(momentum: float) -> Rate:
    """Return the rate of a moving average, quick at first.

    With the momentum alone the initial weights would stay in it for 1 / (1 - momentum)
    steps. The share of the n-th weights (from 0) is therefore at least 9 / (9 + n + 1),
    and all of it for the first.

    Args:
        momentum: what is left of the average after a step, in (0, 1).
    """

    def rate(n_seen: Tensor) -> Tensor:
        early = ops.where(n_seen > 0, WARM_UP / (WARM_UP + 1 + n_seen), 1.0)
        return ops.maximum(early, 1 - momentum)

    return rate


def mean_from(start: int) -> Rate:
    """Return the rate of the plain mean of all weights but the first `start`.

    Until then the average is the newest weights.

    References:
        Izmailov et al., Averaging Weights Leads to Wider Optima and Better
        Generalization, UAI 2018; the mean here is over steps, not over epochs.
    """

    def rate(n_seen: Tensor) -> Tensor:
        return 1 / (ops.maximum(n_seen - start, 0.0) + 1)

    return rate


class Averages(keras.layers.Layer):
    """What the towers' weights are on average over steps, each one's after it.

    Statistics of batch norm are averaged with the weights that they belong to. The
    averages are weights that are not trained, so a checkpoint of all variables holds
    them.

    Args:
        towers: whose weights are averaged.
        rate: the newest weights' share.
    """

    def __init__(self, towers: TwoTower, rate: Rate) -> None:
        super().__init__(dtype="float32")
        self.rate = rate
        # Not an attribute, which would make the towers' weights this layer's own.
        self.followed: Callable[[], list[keras.Variable]] = lambda: [
            weight
            for weight in towers.weights
            if weight.trainable or weight.name in STATISTICS
        ]

    def build(self, _: Any = None) -> None:
        self.n_seen = self.add_weight(
            name="n_seen",
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
        )
        self.averages = [
            self.add_weight(
                name=f"average_{place}",
                shape=weight.shape,
                initializer="zeros",
                trainable=False,
            )
            for place, weight in enumerate(self.followed())
        ]
        self.built = True

    def update(self) -> None:
        """Take note of the weights as they are."""
        share = self.rate(ops.cast(self.n_seen, "float32"))
        for average, weight in zip(self.averages, self.followed(), strict=True):
            average.assign((1 - share) * average + share * ops.cast(weight, "float32"))
        self.n_seen.assign(self.n_seen + 1)

    def put_in(self) -> None:
        """Give the towers the averages in place of their weights."""
        for weight, average in zip(self.followed(), self.averages, strict=True):
            # A copy: JAX's arrays are shared as they are, and predicting donates some.
            weight.assign(ops.copy(average))

    @property
    def are_of_several(self) -> bool:
        """Whether they are of more than one step's weights, the newest."""
        n_seen = float(ops.convert_to_numpy(self.n_seen))
        return n_seen > 0 and float(self.rate(ops.array(n_seen - 1, "float32"))) < 1

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the towers the averages for a while, then their weights again."""
        followed = self.followed()
        own = [ops.convert_to_numpy(weight) for weight in followed]
        self.put_in()
        try:
            yield
        finally:
            assign_all(followed, own)
