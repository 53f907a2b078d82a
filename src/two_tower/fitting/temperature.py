"""What scores are divided by: a number, or one that is learned."""

import math
from typing import Any

import keras
from keras import ops

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
