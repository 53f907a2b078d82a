"""Checks that stop a training that has gone wrong, or log a warning."""

import logging
import math
from collections.abc import Iterable

import numpy as np

from two_tower.types import FloatArray

logger = logging.getLogger(__name__)

# Mean cosine between two items at which their order is noise: real models stay
# under 0.5, a collapsed one is within rounding of 1.
COLLAPSED_COSINE = 0.98

# Dot products still rank items whose cosines hardly differ; only nearly identical
# vectors are useless to them.
COLLAPSED_LIKENESS = 0.9999

# One head has nearly all positives, or items: the other vectors of a user learn
# nothing.
COLLAPSED_POSTERIOR = 0.99

# Nearly identical vectors of a user find the same items, at the cost of several.
ALIKE_VECTORS = 0.98

# A head or vector with a fifth of an even share learns little; half of one is common.
NEGLECTED_SHARE = 0.2

ADVICE = (
    "Nothing of this epoch was kept. Lower training.optimizer.learning_rate or "
    "clip_norm, or raise training.scoring.temperature.start."
)


class TrainingError(RuntimeError):
    """Training cannot continue usefully."""


def check_finite(loss: float, *, epoch: int, step: int) -> None:
    """Raise `TrainingError` if the loss is NaN or infinite.

    Args:
        loss: mean over the epoch so far.
        epoch: from 0.
        step: last step of the epoch, from 0.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} in epoch {epoch + 1}, by step {step + 1}. {ADVICE}"
        )


def check_weights(weights: Iterable[np.ndarray], *, epoch: int) -> None:
    """Raise `TrainingError` if a weight is NaN or infinite.

    The last step of an epoch can break the weights after its loss was checked.
    """
    if not all(np.isfinite(array).all() for array in weights):
        raise TrainingError(
            f"weights are NaN or infinite after epoch {epoch + 1}. {ADVICE}"
        )


def check_spread(items: FloatArray, *, normalised: bool) -> None:
    """Raise `TrainingError` if all item vectors are nearly identical.

    Args:
        items: `[N, D]` float32. Their likeness is the squared length of their mean over
            the mean of their squared lengths: of unit vectors, the mean cosine over all
            pairs.
        normalised: whether they are unit vectors.
    """
    of_mean = float(np.square(items.mean(axis=0, dtype=np.float64)).sum())
    mean_square = float(np.square(items, dtype=np.float64).sum(axis=1).mean())
    likeness = of_mean / mean_square if mean_square else 1.0
    limit = COLLAPSED_COSINE if normalised else COLLAPSED_LIKENESS
    if not likeness < limit:
        raise TrainingError(
            f"the item vectors have collapsed: their mean cosine is {likeness:.3f}. "
            "Lower training.optimizer.learning_rate or the temperature, or choose an "
            "objective with more negatives."
        )


def check_heads(least: float, greatest: float, *, n_heads: int) -> None:
    """Raise `TrainingError` if one head has all positives; warn of neglected heads.

    Args:
        least: the least mean posterior of a head over an epoch's positives.
        greatest: the greatest one.
        n_heads: H; a single head has all positives by design.
    """
    if n_heads == 1:
        return
    if not greatest < COLLAPSED_POSTERIOR:
        raise TrainingError(
            f"the {n_heads} heads have collapsed into one, which has {greatest:.3f} of "
            "all positives. Raise "
            "training.objective.interest_softmax.load_balancing.weight or "
            "training.history.multi_interest.heads.category_temperature, or choose a "
            "category feature that separates items better."
        )
    if least < NEGLECTED_SHARE / n_heads:
        logger.warning(
            "a head has %.4f of all positives, where an even share is %.4f; raise "
            "training.objective.interest_softmax.load_balancing.weight, or lower "
            "training.history.multi_interest.n_heads",
            least,
            1 / n_heads,
        )


def check_item_heads(greatest: float, *, n_heads: int) -> None:
    """Raise `TrainingError` if one head has the items of all histories.

    Args:
        greatest: the greatest share of a head in an epoch's history items.
        n_heads: H; a single head has all items by design.
    """
    if n_heads > 1 and not greatest < COLLAPSED_POSTERIOR:
        raise TrainingError(
            f"the {n_heads} heads have collapsed into one, which has {greatest:.3f} of "
            "the items of all histories. Set "
            "training.history.multi_interest.heads.routing to soft, raise "
            "heads.temperature, or lower training.optimizer.learning_rate."
        )


def check_vectors(likeness: float, least: float, *, n_vectors: int) -> None:
    """Warn of nearly identical vectors of a user, and of vectors that are rarely used.

    Args:
        likeness: mean cosine of two vectors of a user, over an epoch.
        least: the least share of positives that are nearest to one vector.
        n_vectors: V, 2 or more.
    """
    if least < NEGLECTED_SHARE / n_vectors:
        logger.warning(
            "a vector is the nearest to %.4f of all positives, where an even share is "
            "%.4f; raise training.objective.interest_softmax.soft_max_temperature, or "
            "lower training.history.multi_interest.n_vectors",
            least,
            1 / n_vectors,
        )
    if likeness > ALIKE_VECTORS:
        logger.warning(
            "two vectors of a user have a mean cosine of %.3f, so several find hardly "
            "more than one; raise training.objective.interest_softmax.semantic.weight, "
            "or lower training.history.multi_interest.n_vectors",
            likeness,
        )
