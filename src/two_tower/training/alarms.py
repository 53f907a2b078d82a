"""What stops a training that has gone wrong, or warns of it."""

import logging
import math
from collections.abc import Iterable

import numpy as np

from two_tower.types import FloatArray

logger = logging.getLogger(__name__)

# Mean cosine between two items at which their order is noise: real models stay
# under 0.5, a collapsed one is within rounding of 1.
COLLAPSED_COSINE = 0.98

# Dot products tell items apart by what cosines hardly show; only vectors that are all
# but one are no use to them.
COLLAPSED_LIKENESS = 0.9999

# One head that nearly all positives, or items, are for: the other vectors of a user
# learn nothing.
COLLAPSED_POSTERIOR = 0.99

# Vectors of a user that are all but one find the same items, at the cost of several.
ALIKE_VECTORS = 0.98

# A head or vector with a fifth of its due learns little; they are never quite even, and
# half of it is common.
NEGLECTED_SHARE = 0.2

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


def check_spread(items: FloatArray, *, normalised: bool) -> None:
    """Raise `TrainingError` when all items have one vector.

    Args:
        items: `[N, D]` float32. Their likeness is the square of the length of their
            mean over the mean of their squared lengths: of unit vectors the mean cosine
            over all pairs.
        normalised: whether they are unit vectors.
    """
    of_mean = float(np.square(items.mean(axis=0, dtype=np.float64)).sum())
    mean_square = float(np.square(items, dtype=np.float64).sum(axis=1).mean())
    likeness = of_mean / mean_square if mean_square else 1.0
    limit = COLLAPSED_COSINE if normalised else COLLAPSED_LIKENESS
    if not likeness < limit:
        raise TrainingError(
            f"the item vectors have collapsed: their mean cosine is {likeness:.3f}. "
            "Lower training.optimizer.learning_rate or the temperature, or use an "
            "objective with more negatives."
        )


def check_heads(least: float, greatest: float, *, n_heads: int) -> None:
    """Raise `TrainingError` when one head has all positives; warn of neglected ones.

    Args:
        least: mean posterior over an epoch's positives of the head that has least.
        greatest: the same of the one that has most.
        n_heads: H; a single head has all positives by right.
    """
    if n_heads == 1:
        return
    if not greatest < COLLAPSED_POSTERIOR:
        raise TrainingError(
            f"the {n_heads} heads have collapsed into one, which has {greatest:.3f} of "
            "all positives. Raise the weight of load_balancing or the router's "
            "temperature, or name a category feature that tells items apart."
        )
    if least < NEGLECTED_SHARE / n_heads:
        logger.warning(
            "a head has %.4f of all positives, where an even share is %.4f; raise the "
            "weight of load_balancing, or have fewer heads",
            least,
            1 / n_heads,
        )


def check_item_heads(greatest: float, *, n_heads: int) -> None:
    """Raise `TrainingError` when one head has the items of all histories.

    Args:
        greatest: the greatest share that a head has of an epoch's items.
        n_heads: H; a single head has all items by right.
    """
    if n_heads > 1 and not greatest < COLLAPSED_POSTERIOR:
        raise TrainingError(
            f"the {n_heads} heads have collapsed into one, which has {greatest:.3f} of "
            "the items of all histories. Set histories.multi_interest.heads.routing to "
            "soft or its temperature higher, or lower optimizer.learning_rate."
        )


def check_vectors(likeness: float, least: float, *, n_vectors: int) -> None:
    """Warn when the vectors of a user are all but one, or one is of no use.

    Args:
        likeness: mean cosine of two vectors of a user, over an epoch.
        least: share of the positives that are nearest to the vector that has fewest.
        n_vectors: V, 2 or more.
    """
    if least < NEGLECTED_SHARE / n_vectors:
        logger.warning(
            "a vector is the nearest to %.4f of all positives, where an even share is "
            "%.4f; raise objectives.interest_softmax.soft_max_temperature, or have "
            "fewer vectors",
            least,
            1 / n_vectors,
        )
    if likeness > ALIKE_VECTORS:
        logger.warning(
            "two vectors of a user have a cosine of %.3f on average, so several find "
            "little more than one; raise the weight of semantic, or have fewer vectors",
            likeness,
        )
