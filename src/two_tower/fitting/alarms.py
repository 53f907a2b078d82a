"""What stops a training that has gone wrong."""

import math
from collections.abc import Iterable

import numpy as np

from two_tower.types import FloatArray

# Mean cosine between two items at which their order is noise: real models stay
# under 0.5, a collapsed one is within rounding of 1.
COLLAPSED_COSINE = 0.98


ADVICE = (
    "Lower training.optimizer.learning_rate, set training.optimizer.clip_norm, or "
    "raise the temperature; nothing of this epoch was kept."
)


class TrainingError(RuntimeError):
    """Training can't go on to anything useful."""


def check_finite(loss: float, *, epoch: int, step: int) -> None:
    """Raise `TrainingError` when the loss is no number."""
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} in epoch {epoch + 1}, by step {step + 1}. {ADVICE}"
        )


def check_weights(weights: Iterable[np.ndarray], *, epoch: int) -> None:
    """Raise `TrainingError` when a weight is no number.

    An epoch's last step can break the weights after its loss was seen.
    """
    if not all(np.isfinite(array).all() for array in weights):
        raise TrainingError(
            f"weights are NaN or infinite after epoch {epoch + 1}. {ADVICE}"
        )


def check_spread(items: FloatArray) -> None:
    """Raise `TrainingError` when all items lie in one direction.

    Args:
        items: `[N, D]` float32 vectors of any length. The mean cosine over all pairs is
            the square of the length of the mean of their directions.
    """
    lengths = np.linalg.norm(items, axis=1, keepdims=True)
    directions = items / np.where(lengths > 0, lengths, 1.0)
    mean_cosine = float(np.square(directions.mean(axis=0, dtype=np.float64)).sum())
    if not mean_cosine < COLLAPSED_COSINE:
        raise TrainingError(
            f"the item vectors have collapsed: their mean cosine is {mean_cosine:.3f}. "
            "Lower training.optimizer.learning_rate or the temperature, or use an "
            "objective with more negatives."
        )
