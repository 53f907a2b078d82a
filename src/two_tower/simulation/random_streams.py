"""Reproducible random numbers, one independent stream per purpose and chunk."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Purpose(IntEnum):
    """What numbers are drawn for; a new purpose leaves the others' numbers alone."""

    MOVIES = 0
    TITLES = 1
    TASTES = 2
    USERS = 3
    SESSIONS = 4
    CHOICES = 5
    STARS = 6
    FILE_ORDER = 7


def generator(seed: int, purpose: Purpose, chunk: int = 0) -> np.random.Generator:
    """Return the generator of one purpose and chunk; the kind is fixed by name."""
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([seed, int(purpose), chunk]))
    )


def positions(lengths: Ints) -> Ints:
    """Return the places 0, 1, … in each of the groups, one group after the other."""
    ends = np.cumsum(lengths)
    return np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)


def choose(weights: Floats, uniform: Floats) -> Ints:
    """Return one column per row, drawn by weight.

    Args:
        weights: `[n, columns]`, at least one above 0 in each row.
        uniform: `[n]` in [0, 1).
    """
    reached = np.cumsum(weights, axis=1)
    column: Ints = np.argmax(reached > uniform[:, None] * reached[:, -1:], axis=1)
    return column


def share_out(
    total: int, weights: Floats, limit: int, rng: np.random.Generator
) -> Ints:
    """Return whole numbers that sum to `total`, drawn by weight, none above `limit`.

    Raises:
        ValueError: `total` is more than `limit` for each of the weights.
    """
    if total > limit * len(weights):
        raise ValueError(f"{total} can't be shared out at {limit} each")
    counts = np.zeros(len(weights), dtype=np.int64)
    while (missing := total - int(counts.sum())) > 0:
        open_weights = np.where(counts < limit, weights, 0.0)
        counts += rng.multinomial(missing, open_weights / open_weights.sum())
        counts = np.minimum(counts, limit)
    return counts
