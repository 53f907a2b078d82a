"""Draw which movies are parts of a series, and when each part comes out."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import Ints, positions
from two_tower.simulation.recipe import Recipe, Timeline
from two_tower.simulation.sessions import month_years

MOST_PARTS: Final = 5

_MEAN_PARTS_AFTER_TWO: Final = 0.6
_MEAN_YEARS_BETWEEN: Final = 2.0
_TOWARDS_THE_PRESENT: Final = 0.7  # an exponent; 1 spreads years evenly


@dataclass(frozen=True)
class Series:
    """Movies as parts of series, one series after the other, parts in order.

    A movie that stands alone is a series of one.

    Attributes:
        size: int64 `[series]`, how many movies it has.
        of: int64 `[movies]`, which series a movie is in.
        part: int64 `[movies]`, its place there, from 0.
    """

    size: Ints
    of: Ints
    part: Ints


def make_series(n_movies: int, share: float, rng: np.random.Generator) -> Series:
    """Return series of 2 to `MOST_PARTS` movies for a share of them, the rest alone."""
    n_in_series = int(share * n_movies)
    sizes = 2 + rng.poisson(_MEAN_PARTS_AFTER_TWO, n_in_series // 2)
    sizes = np.minimum(sizes, MOST_PARTS)
    sizes = sizes[np.cumsum(sizes) <= n_in_series]
    alone = np.ones(n_movies - int(sizes.sum()), dtype=np.int64)
    # Stand-alone movies first, so that every interest gets one (`series_interests`).
    size = np.concatenate([alone, sizes])
    return Series(size, np.repeat(np.arange(len(size)), size), positions(size))


def series_interests(n_series: int, rng: np.random.Generator) -> Ints:
    """Return the interest of each series; the first ones cover all interests."""
    appeal = np.array([interest.appeal for interest in INTERESTS])
    drawn = rng.choice(len(INTERESTS), n_series, p=appeal / appeal.sum())
    drawn[: len(INTERESTS)] = np.arange(len(INTERESTS))
    return drawn


def release_dates(
    recipe: Recipe, series: Series, interest: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return each movie's year and the month of the timeline in which it arrives.

    Movies older than the timeline are there from its first month, 0. Later parts of
    a series may come out within it; so do stand-alone movies of interests that last
    to the present, until `catalogue.late` of all movies arrive late.
    """
    year = _years(recipe.timeline, series, interest, rng)
    arrival = _arrivals_of_parts(recipe.timeline, year, rng)
    late = _late_alone(recipe, series, interest, arrival, rng)
    arrival[late] = rng.integers(1, recipe.timeline.months, len(late))
    years = month_years(recipe.timeline)
    return np.where(arrival > 0, years[arrival], year), arrival


def _years(
    timeline: Timeline, series: Series, interest: Ints, rng: np.random.Generator
) -> Ints:
    newest = timeline.start.year - 1
    first = np.array([one.years[0] for one in INTERESTS])[interest]
    last = np.array([min(one.years[1] or newest, newest) for one in INTERESTS])[
        interest
    ]
    place = rng.random(len(series.size))[series.of] ** _TOWARDS_THE_PRESENT
    gaps = rng.geometric(1 / _MEAN_YEARS_BETWEEN, len(interest))
    gaps[series.part == 0] = 0
    passed = np.cumsum(gaps)
    passed -= passed[series.part == 0][series.of]
    years: Ints = first + (place * (last - first + 1)).astype(np.int64) + passed
    return years


def _arrivals_of_parts(
    timeline: Timeline, year: Ints, rng: np.random.Generator
) -> Ints:
    """Draw months of arrival; parts keep their order, being at least a year apart."""
    start = timeline.start
    month = (year - start.year) * 12 - (start.month - 1)
    month += rng.integers(12, size=len(year))
    arrival: Ints = np.where(
        year < start.year, 0, np.clip(month, 1, timeline.months - 1)
    )
    return arrival


def _late_alone(
    recipe: Recipe,
    series: Series,
    interest: Ints,
    arrival: Ints,
    rng: np.random.Generator,
) -> Ints:
    current = np.array([one.years[1] is None for one in INTERESTS])[interest]
    eligible = current & (series.size[series.of] == 1)
    eligible[: len(INTERESTS)] = False  # every interest has a movie from the start
    missing = int(recipe.catalogue.late * recipe.n_movies) - np.count_nonzero(arrival)
    candidates = rng.permutation(np.flatnonzero(eligible))
    return candidates[: max(0, missing)]
