"""Sample the series of movies and the release date of each part."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import Ints, positions_in_groups
from two_tower.simulation.recipe import Recipe, TimelineParams
from two_tower.simulation.sessions import month_years

MAX_PARTS: Final = 5

_MEAN_PARTS_AFTER_TWO: Final = 0.6
_MEAN_YEARS_BETWEEN_PARTS: Final = 2.0
_YEAR_EXPONENT: Final = 0.7  # 1: uniform release years; below: more recent movies


@dataclass(frozen=True)
class Series:
    """Movies grouped into series, parts in order; a single movie is a series of one.

    Attributes:
        size: int64 `[series]`, number of parts.
        of: int64 `[movies]`, series of each movie.
        part: int64 `[movies]`, part number of each movie, from 0.
    """

    size: Ints
    of: Ints
    part: Ints


def sample_series(n_movies: int, share: float, rng: np.random.Generator) -> Series:
    """Return series of 2 to `MAX_PARTS` parts for a share of the movies."""
    n_in_series = int(share * n_movies)
    sizes = 2 + rng.poisson(_MEAN_PARTS_AFTER_TWO, n_in_series // 2)
    sizes = np.minimum(sizes, MAX_PARTS)
    sizes = sizes[np.cumsum(sizes) <= n_in_series]
    single = np.ones(n_movies - int(sizes.sum()), dtype=np.int64)
    # Single movies first, so that every interest gets one (`sample_series_interests`).
    size = np.concatenate([single, sizes])
    of = np.repeat(np.arange(len(size)), size)
    return Series(size, of, positions_in_groups(size))


def sample_series_interests(n_series: int, rng: np.random.Generator) -> Ints:
    """Return the interest of each series; the first series cover all interests."""
    appeal = np.array([interest.appeal for interest in INTERESTS])
    interest = rng.choice(len(INTERESTS), n_series, p=appeal / appeal.sum())
    interest[: len(INTERESTS)] = np.arange(len(INTERESTS))
    return interest


def sample_release_dates(
    recipe: Recipe, series: Series, interest: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return each movie's release year and its month of arrival on the timeline.

    Movies older than the timeline arrive in month 0. Later parts of a series may
    arrive within the timeline, and so may single movies of present-day interests,
    until a share of `catalogue.late` arrives after month 0.
    """
    year = _years(recipe.timeline, series, interest, rng)
    arrival = _arrivals_of_parts(recipe.timeline, year, rng)
    late = _late_single_movies(recipe, series, interest, arrival, rng)
    arrival[late] = rng.integers(1, recipe.timeline.months, len(late))
    years = month_years(recipe.timeline)
    return np.where(arrival > 0, years[arrival], year), arrival


def _years(
    timeline: TimelineParams, series: Series, interest: Ints, rng: np.random.Generator
) -> Ints:
    newest = timeline.start.year - 1
    first = np.array([one.years[0] for one in INTERESTS])[interest]
    last = np.array([min(one.years[1] or newest, newest) for one in INTERESTS])[
        interest
    ]
    fraction = rng.random(len(series.size))[series.of] ** _YEAR_EXPONENT
    gaps = rng.geometric(1 / _MEAN_YEARS_BETWEEN_PARTS, len(interest))
    gaps[series.part == 0] = 0
    passed = np.cumsum(gaps)
    passed -= passed[series.part == 0][series.of]
    years: Ints = first + (fraction * (last - first + 1)).astype(np.int64) + passed
    return years


def _arrivals_of_parts(
    timeline: TimelineParams, year: Ints, rng: np.random.Generator
) -> Ints:
    """Sample months of arrival; parts stay in order, being at least a year apart."""
    start = timeline.start
    month = (year - start.year) * 12 - (start.month - 1)
    month += rng.integers(12, size=len(year))
    arrival: Ints = np.where(
        year < start.year, 0, np.clip(month, 1, timeline.months - 1)
    )
    return arrival


def _late_single_movies(
    recipe: Recipe,
    series: Series,
    interest: Ints,
    arrival: Ints,
    rng: np.random.Generator,
) -> Ints:
    is_current = np.array([one.years[1] is None for one in INTERESTS])[interest]
    is_eligible = is_current & (series.size[series.of] == 1)
    is_eligible[: len(INTERESTS)] = False  # every interest has a movie in month 0
    missing = int(recipe.catalogue.late * recipe.n_movies) - np.count_nonzero(arrival)
    candidates = rng.permutation(np.flatnonzero(is_eligible))
    return candidates[: max(0, missing)]
