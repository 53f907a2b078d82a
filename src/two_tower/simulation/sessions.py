"""Draw when users rate, in which session, and which interest each session follows."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import (
    Bools,
    Floats,
    Ints,
    Purpose,
    choose,
    generator,
    positions,
)
from two_tower.simulation.recipe import Recipe, Timeline
from two_tower.simulation.users import People

_DAY: Final = 86_400  # seconds
_EVENING: Final = 20.5  # hour of the day (UTC) around which sessions begin
_HOURS_AROUND: Final = 3.5
_USERS_APART: Final = 1 << 40  # more than any time in seconds


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


@dataclass(frozen=True)
class Schedule:
    """When a chunk's users rate; every array has one entry per rating, oldest first.

    The ratings of one user stand together, users in their chunk's order.

    Attributes:
        user: int64, row of the user in the chunk.
        timestamp: int64, seconds since 1970, never falling within a user.
        month: int64, month of the timeline in which the session began.
        session: int64, counted from 0 within the user.
        interest: int64, the row of `INTERESTS` that the session follows.
    """

    user: Ints
    timestamp: Ints
    month: Ints
    session: Ints
    interest: Ints


@dataclass(frozen=True)
class _Sessions:
    """A chunk's sessions, oldest first within each user.

    Attributes:
        user: int64, row of the user in the chunk.
        moment: float64, where in the user's time it begins: 0 … 1, the first at 0.
        start: int64, seconds since 1970.
        month: int64, of the timeline.
    """

    user: Ints
    moment: Floats
    start: Ints
    month: Ints


def make_schedule(recipe: Recipe, people: People, chunk: int) -> Schedule:
    """Return when the users of a chunk rate, without saying what."""
    rng = generator(recipe.seed, Purpose.SESSIONS, chunk)
    user = np.repeat(np.arange(len(people.user_id)), people.n_ratings)
    begins = rng.random(len(user)) < 1 / recipe.sessions.length
    begins |= positions(people.n_ratings) == 0
    sessions = _make_sessions(recipe, user[begins], rng)
    interest = _follow_interests(recipe, people, sessions, rng)
    offset = _offsets(recipe, begins, rng)
    session = np.cumsum(begins) - 1  # counted over the whole chunk
    # A session that runs into the next one pushes it back.
    apart = user * _USERS_APART
    timestamp = np.maximum.accumulate(sessions.start[session] + offset + apart) - apart
    return Schedule(
        user=user,
        timestamp=timestamp,
        month=sessions.month[session],
        session=session - _first_rows(sessions.user)[user],
        interest=interest[session],
    )


def _make_sessions(recipe: Recipe, user: Ints, rng: np.random.Generator) -> _Sessions:
    bounds = month_starts(recipe.timeline)
    moment = rng.random(len(user))
    moment = moment[np.lexsort((moment, user))]
    moment[_first_rows(user)] = 0.0
    day = _days(recipe, user, moment, rng)
    hour = (_EVENING + _HOURS_AROUND * rng.standard_normal(len(user))) % 24
    start = np.clip(day + (hour * 3600).astype(np.int64), bounds[0], bounds[-1] - 1)
    start = start[np.lexsort((start, user))]
    month = np.searchsorted(bounds, start, side="right") - 1
    return _Sessions(user, moment, start, month)


def _first_rows(user: Ints) -> Ints:
    """Return the row at which each user begins; rows are in the order of users."""
    return np.flatnonzero(np.diff(user, prepend=-1))


def _days(recipe: Recipe, user: Ints, moment: Floats, rng: np.random.Generator) -> Ints:
    """Return the second at which each session's day begins; winters are busier."""
    timeline = recipe.timeline
    bounds = month_starts(timeline)
    total = float(bounds[-1] - bounds[0])
    n_users = int(user[-1]) + 1
    lifetime = rng.exponential(recipe.users.lifetime_days * _DAY, n_users)
    lifetime = np.minimum(lifetime, total)
    joined = rng.random(n_users) * (total - lifetime)
    activity = (joined[user] + lifetime[user] * moment) / total
    of_year = 2 * np.pi * (months_of_year(timeline) - 1) / 12
    busy = 1 + 0.5 * recipe.sessions.seasons * np.cos(of_year)
    done = np.concatenate([[0.0], np.cumsum(busy * np.diff(bounds))])
    seconds = np.interp(activity, done / done[-1], bounds.astype(np.float64))
    return seconds.astype(np.int64) // _DAY * _DAY


def _follow_interests(
    recipe: Recipe, people: People, sessions: _Sessions, rng: np.random.Generator
) -> Ints:
    """Draw one of the user's interests per session, by its place in time and year."""
    interests = people.interests[sessions.user]
    away = sessions.moment[:, None] - people.peaks[sessions.user]
    weight = people.weights[sessions.user] * np.exp(-((recipe.users.drift * away) ** 2))
    of_year = months_of_year(recipe.timeline)[sessions.month] - 1
    weight *= _season(recipe.sessions.seasons)[interests, of_year[:, None]]
    column = choose(weight, rng.random(len(sessions.user)))
    return interests[np.arange(len(column)), column]


def _season(strength: float) -> Floats:
    """Return how much stronger each interest is in each month, `[INTERESTS, 12]`."""
    peak = np.array([one.month or np.nan for one in INTERESTS])
    wave = np.cos(2 * np.pi * (np.arange(1, 13) - peak[:, None]) / 12)
    season: Floats = np.exp(2 * strength * np.nan_to_num(wave, nan=0.0))
    return season


def _offsets(recipe: Recipe, begins: Bools, rng: np.random.Generator) -> Ints:
    """Draw the seconds from the begin of its session to each rating."""
    pause = 1 + rng.exponential(recipe.sessions.pause, len(begins)).astype(np.int64)
    pause[rng.random(len(begins)) < recipe.sessions.ties] = 0
    pause[begins] = 0
    passed = np.cumsum(pause)
    offset: Ints = passed - passed[begins][np.cumsum(begins) - 1]
    return offset
