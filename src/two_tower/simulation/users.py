"""Sample the users: demographics, activity, and interests that rise and fade."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import (
    Floats,
    Ints,
    Purpose,
    random_stream,
    sample_columns,
    sample_counts,
)
from two_tower.simulation.recipe import Recipe

AGE_BUCKETS: Final = (1, 18, 25, 35, 45, 50, 56)
"""ml-1m's codes of age buckets: the youngest age of each bucket."""

N_OCCUPATIONS: Final = 21
"""Occupation codes, 0 to 20 as in ml-1m."""

N_REGIONS: Final = 10
"""First digits of zip codes."""

_BUCKET_SHARES: Final = (0.04, 0.18, 0.35, 0.20, 0.09, 0.08, 0.06)  # as in ml-1m
_MIN_AGE: Final = 7
_MAX_AGE: Final = 80  # exclusive
_SHARE_OF_WOMEN: Final = 0.3
_SCHOOL_PUPIL: Final = 10
_STUDENT: Final = 4
_RETIRED: Final = 13
_WORKING_AGES: Final = (25, 61)
_SHARE_BY_AGE: Final = 0.55  # students below, and pensioners above, the working ages
_AGE_SPREAD: Final = 14.0  # standard deviation around an interest's age, in years
_SHARE_OF_LONG_ZIPS: Final = 0.01


@dataclass(frozen=True)
class Users:
    """One chunk of users; every array has one row per user.

    Attributes:
        user_id: int64, counting from 1 across chunks.
        gender: `M` or `F`.
        age: int64, in years.
        occupation: int64, ml-1m's code.
        zip: five digits, a few followed by `-` and four more.
        n_ratings: int64, number of movies the user rates.
        interests: int64 `[users, interests]`, distinct indices into `INTERESTS`.
        weights: float64 `[users, interests]`, weight of each interest; rows sum to 1.
        peaks: float64 `[users, interests]`, fraction of the user's lifetime at which
            each interest is strongest.
        bias: float64, standard deviations added to the user's ratings.
    """

    user_id: Ints
    gender: list[str]
    age: Ints
    occupation: Ints
    zip: list[str]
    n_ratings: Ints
    interests: Ints
    weights: Floats
    peaks: Floats
    bias: Floats


def n_chunks(recipe: Recipe) -> int:
    """Return the number of chunks of users."""
    return -(-recipe.n_users // recipe.users_per_chunk)


def sample_users(recipe: Recipe, chunk: int) -> Users:
    """Return the users of one chunk; equal calls return equal users."""
    rng = random_stream(recipe.seed, Purpose.USERS, chunk)
    first = chunk * recipe.users_per_chunk
    end = min(first + recipe.users_per_chunk, recipe.n_users)
    n_users = end - first
    is_woman = rng.random(n_users) < _SHARE_OF_WOMEN
    age = _ages(n_users, rng)
    occupation = _occupations(age, rng)
    region = rng.integers(N_REGIONS, size=n_users)
    log_weights = _log_weights(recipe, is_woman, age, occupation, region)
    return Users(
        user_id=np.arange(first, end) + 1,
        gender=["F" if woman else "M" for woman in is_woman],
        age=age,
        occupation=occupation,
        zip=_zip_codes(region, rng),
        n_ratings=_history_lengths(recipe, first, end, rng),
        interests=_sample_distinct(log_weights, recipe.users.interests, rng),
        weights=rng.dirichlet(np.full(recipe.users.interests, 2.0), n_users),
        peaks=_peaks(n_users, recipe.users.interests, rng),
        bias=rng.standard_normal(n_users),
    )


def _ages(n_users: int, rng: np.random.Generator) -> Ints:
    edges = np.array([_MIN_AGE, *AGE_BUCKETS[1:], _MAX_AGE])
    shares = np.tile(_BUCKET_SHARES, (n_users, 1))
    bucket = sample_columns(shares, rng.random(n_users))
    return rng.integers(edges[bucket], edges[bucket + 1])


def _occupations(age: Ints, rng: np.random.Generator) -> Ints:
    occupation = rng.integers(N_OCCUPATIONS, size=len(age))
    by_age = rng.random(len(age)) < _SHARE_BY_AGE
    occupation = np.where(by_age & (age < _WORKING_AGES[0]), _STUDENT, occupation)
    occupation = np.where(by_age & (age > _WORKING_AGES[1]), _RETIRED, occupation)
    return np.where(age < AGE_BUCKETS[1], _SCHOOL_PUPIL, occupation)


def _zip_codes(region: Ints, rng: np.random.Generator) -> list[str]:
    rest = rng.integers(10_000, size=len(region))
    long = rng.random(len(region)) < _SHARE_OF_LONG_ZIPS
    more = rng.integers(10_000, size=len(region))
    return [
        f"{first}{last:04d}" + (f"-{extra:04d}" if is_long else "")
        for first, last, is_long, extra in zip(region, rest, long, more, strict=True)
    ]


def _history_lengths(
    recipe: Recipe, first: int, end: int, rng: np.random.Generator
) -> Ints:
    """Sample history lengths whose sum is the chunk's share of `n_ratings`."""
    shape = recipe.users
    total = recipe.n_ratings * end // recipe.n_users
    total -= recipe.n_ratings * first // recipe.n_users
    activity = np.exp(shape.spread * rng.standard_normal(end - first))
    extra = total - shape.shortest * (end - first)
    return shape.shortest + sample_counts(
        extra, activity, shape.longest - shape.shortest, rng
    )


def _log_weights(
    recipe: Recipe,
    is_woman: np.ndarray,
    age: Ints,
    occupation: Ints,
    region: Ints,
) -> Floats:
    """Return the log weight of each interest for each user, `[users, INTERESTS]`."""
    rng = random_stream(recipe.seed, Purpose.TASTES)
    by_occupation = 0.5 * rng.standard_normal((N_OCCUPATIONS, len(INTERESTS)))
    by_region = 0.3 * rng.standard_normal((N_REGIONS, len(INTERESTS)))
    by_gender = np.outer(is_woman, [one.female for one in INTERESTS])
    usual_age = np.array([one.age or np.nan for one in INTERESTS])
    by_age = -0.5 * ((age[:, None] - usual_age) / _AGE_SPREAD) ** 2
    effect = by_gender + np.nan_to_num(by_age, nan=-0.5)
    effect += by_occupation[occupation] + by_region[region]
    common = np.log([one.appeal for one in INTERESTS])
    log_weights: Floats = common + recipe.users.demographics * effect
    return log_weights


def _sample_distinct(log_weights: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Sample `count` distinct columns per row by weight (Gumbel top-k)."""
    noise = -np.log(rng.standard_exponential(log_weights.shape))
    return np.argsort(-(log_weights + noise), axis=1, kind="stable")[:, :count]


def _peaks(n_users: int, count: int, rng: np.random.Generator) -> Floats:
    """Sample one peak in each of `count` equal parts of 0 … 1, in random order."""
    part = np.argsort(rng.random((n_users, count)), axis=1, kind="stable")
    peaks: Floats = (part + rng.random((n_users, count))) / count
    return peaks
