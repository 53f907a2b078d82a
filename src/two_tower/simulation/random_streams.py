"""Reproducible random numbers: one independent stream per purpose and chunk."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Purpose(IntEnum):
    """Purpose of a random stream; adding one leaves all other streams unchanged."""

    MOVIES = 0
    TITLES = 1
    TASTES = 2
    USERS = 3
    SESSIONS = 4
    RATED_MOVIES = 5
    STARS = 6
    FILE_ORDER = 7


def random_stream(seed: int, purpose: Purpose, chunk: int = 0) -> np.random.Generator:
    """Return the PCG64 generator of one purpose and chunk of users."""
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([seed, int(purpose), chunk]))
    )


def positions_in_groups(lengths: Ints) -> Ints:
    """Return 0, 1, … `length - 1` for each group, concatenated."""
    ends = np.cumsum(lengths)
    return np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)


def sample_columns(weights: Floats, uniform: Floats) -> Ints:
    """Return one column per row, sampled in proportion to its weight.

    Args:
        weights: `[n, columns]`, at least one above 0 in each row.
        uniform: `[n]` random numbers in [0, 1).

    Returns:
        `[n]` int64.
    """
    cumulative = np.cumsum(weights, axis=1)
    column: Ints = np.argmax(cumulative > uniform[:, None] * cumulative[:, -1:], axis=1)
    return column


def sample_counts(
    total: int, weights: Floats, limit: int, rng: np.random.Generator
) -> Ints:
    """Return multinomial counts that sum to `total`, each at most `limit`.

    Raises:
        ValueError: `total` exceeds `limit` times the number of weights.
    """
    if total > limit * len(weights):
        raise ValueError(
            f"a total of {total} exceeds {len(weights)} counts of at most {limit}"
        )
    counts = np.zeros(len(weights), dtype=np.int64)
    while (missing := total - int(counts.sum())) > 0:
        open_weights = np.where(counts < limit, weights, 0.0)
        counts += rng.multinomial(missing, open_weights / open_weights.sum())
        counts = np.minimum(counts, limit)
    return counts
