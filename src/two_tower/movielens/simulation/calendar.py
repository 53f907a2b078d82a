"""The months of a timeline in seconds, years and months of the year."""

import numpy as np

from two_tower.movielens.simulation.draws import Ints
from two_tower.movielens.simulation.recipe import Timeline


def month_starts(timeline: Timeline) -> Ints:
    """Return the second (since 1970, UTC) at which each month begins, and the end.

    Returns:
        int64 `[months + 1]`, rising.
    """
    return (
        _months(timeline, timeline.months + 1).astype("datetime64[s]").astype(np.int64)
    )


def month_years(timeline: Timeline) -> Ints:
    """Return the year of each month, int64 `[months]`."""
    years = _months(timeline, timeline.months).astype("datetime64[Y]")
    return years.astype(np.int64) + 1970


def months_of_year(timeline: Timeline) -> Ints:
    """Return each month's place in its year, 1 … 12, int64 `[months]`."""
    return (timeline.start.month - 1 + np.arange(timeline.months)) % 12 + 1


def _months(timeline: Timeline, count: int) -> np.ndarray:
    return np.datetime64(timeline.start, "M") + np.arange(count)
