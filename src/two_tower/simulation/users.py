"""Draw the users: demographics and, tied to them, interests that rise and fade."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import (
    Floats,
    Ints,
    Purpose,
    choose,
    generator,
    share_out,
)
from two_tower.simulation.recipe import Recipe

AGE_BUCKETS: Final = (1, 18, 25, 35, 45, 50, 56)
"""The youngest age of each of ml-1m's buckets, which is what it calls the bucket."""

N_OCCUPATIONS: Final = 21
"""As in ml-1m, whose codes run from 0 to 20."""

N_REGIONS: Final = 10
"""First digits of zip codes."""

_BUCKET_SHARES: Final = (0.04, 0.18, 0.35, 0.20, 0.09, 0.08, 0.06)  # as in ml-1m
_OLDEST: Final = 80
_SHARE_OF_WOMEN: Final = 0.3
_SCHOOL_PUPIL: Final = 10
_STUDENT: Final = 4
_RETIRED: Final = 13
_WORKING_AGES: Final = (25, 61)
_SHARE_BY_AGE: Final = 0.55  # of those below or above who study or are retired
_YEARS_OF_TASTE: Final = 14.0  # by which age may differ from an interest's typical one
_SHARE_OF_LONG_ZIPS: Final = 0.01


@dataclass(frozen=True)
class People:
    """One chunk of users; every array has one row per user.

    Attributes:
        user_id: int64, rising from 1 over all chunks.
        gender: `M` or `F`.
        age: int64, in years.
        occupation: int64, ml-1m's code.
        zip: five digits, a few with four more.
        n_ratings: int64, how many movies the user rates.
        interests: int64 `[users, interests]`, rows of `INTERESTS`, all different.
        weights: float64 `[users, interests]`, how much each matters; sums to 1.
        peaks: float64 `[users, interests]`, where in the user's time, 0 … 1, each
            matters most.
        bias: float64, standard deviations by which the user rates above others.
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
    """Return how many chunks the users come in."""
    return -(-recipe.n_users // recipe.users_per_chunk)


def make_people(recipe: Recipe, chunk: int) -> People:
    """Return the users of one chunk, the same ones at every call."""
    rng = generator(recipe.seed, Purpose.USERS, chunk)
    first = chunk * recipe.users_per_chunk
    end = min(first + recipe.users_per_chunk, recipe.n_users)
    n_users = end - first
    is_woman = rng.random(n_users) < _SHARE_OF_WOMEN
    age = _ages(n_users, rng)
    occupation = _occupations(age, rng)
    region = rng.integers(N_REGIONS, size=n_users)
    log_appeal = _log_appeal(recipe, is_woman, age, occupation, region)
    return People(
        user_id=np.arange(first, end) + 1,
        gender=["F" if woman else "M" for woman in is_woman],
        age=age,
        occupation=occupation,
        zip=_zip_codes(region, rng),
        n_ratings=_history_lengths(recipe, first, end, rng),
        interests=_different(log_appeal, recipe.users.interests, rng),
        weights=rng.dirichlet(np.full(recipe.users.interests, 2.0), n_users),
        peaks=_peaks(n_users, recipe.users.interests, rng),
        bias=rng.standard_normal(n_users),
    )


def _ages(n_users: int, rng: np.random.Generator) -> Ints:
    # The youngest bucket is "under 18" and begins at 7 here.
    edges = np.array([7, *AGE_BUCKETS[1:], _OLDEST])
    shares = np.tile(_BUCKET_SHARES, (n_users, 1))
    bucket = choose(shares, rng.random(n_users))
    return rng.integers(edges[bucket], edges[bucket + 1])


def _occupations(age: Ints, rng: np.random.Generator) -> Ints:
    drawn = rng.integers(N_OCCUPATIONS, size=len(age))
    by_age = rng.random(len(age)) < _SHARE_BY_AGE
    drawn = np.where(by_age & (age < _WORKING_AGES[0]), _STUDENT, drawn)
    drawn = np.where(by_age & (age > _WORKING_AGES[1]), _RETIRED, drawn)
    return np.where(age < AGE_BUCKETS[1], _SCHOOL_PUPIL, drawn)


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
    """Draw lengths that sum to the chunk's due part of `n_ratings`, whatever chunk."""
    shape = recipe.users
    due = recipe.n_ratings * end // recipe.n_users
    due -= recipe.n_ratings * first // recipe.n_users
    activity = np.exp(shape.spread * rng.standard_normal(end - first))
    extra = due - shape.shortest * (end - first)
    return shape.shortest + share_out(
        extra, activity, shape.longest - shape.shortest, rng
    )


def _log_appeal(
    recipe: Recipe,
    is_woman: np.ndarray,
    age: Ints,
    occupation: Ints,
    region: Ints,
) -> Floats:
    """Return the log weight of each interest for each user, `[users, INTERESTS]`."""
    rng = generator(recipe.seed, Purpose.TASTES)
    by_occupation = 0.5 * rng.standard_normal((N_OCCUPATIONS, len(INTERESTS)))
    by_region = 0.3 * rng.standard_normal((N_REGIONS, len(INTERESTS)))
    by_gender = np.outer(is_woman, [one.female for one in INTERESTS])
    usual_age = np.array([one.age or np.nan for one in INTERESTS])
    by_age = -0.5 * ((age[:, None] - usual_age) / _YEARS_OF_TASTE) ** 2
    tilt = by_gender + np.nan_to_num(by_age, nan=-0.5)
    tilt += by_occupation[occupation] + by_region[region]
    common = np.log([one.appeal for one in INTERESTS])
    log_appeal: Floats = common + recipe.users.demographics * tilt
    return log_appeal


def _different(log_weights: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Draw `count` different columns per row by weight (the Gumbel trick)."""
    noise = -np.log(rng.standard_exponential(log_weights.shape))
    return np.argsort(-(log_weights + noise), axis=1, kind="stable")[:, :count]


def _peaks(n_users: int, count: int, rng: np.random.Generator) -> Floats:
    """Spread each user's peaks over 0 … 1, so that interests follow one another."""
    place = np.argsort(rng.random((n_users, count)), axis=1, kind="stable")
    peaks: Floats = (place + rng.random((n_users, count))) / count
    return peaks
