"""Values for many variables at a time."""

from collections.abc import Sequence

import keras
import numpy as np


def assign_all(
    variables: Sequence[keras.Variable], values: Sequence[np.ndarray]
) -> None:
    """Give each variable its value, in the same order.

    Raises:
        ValueError: if there are more of the one than of the other.
    """
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
