"""Sample when users rate, in which session, and the interest of each session."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import (
    Bools,
    Floats,
    Ints,
    Purpose,
    positions_in_groups,
    random_stream,
    sample_columns,
)
from two_tower.simulation.recipe import Recipe, TimelineParams
from two_tower.simulation.users import Users

_DAY: Final = 86_400  # seconds
_MEAN_HOUR: Final = 20.5  # of the day (UTC) at which sessions start
_HOUR_SPREAD: Final = 3.5  # standard deviation, in hours
_USER_OFFSET: Final = 1 << 40  # seconds; larger than any timestamp


def month_starts(timeline: TimelineParams) -> Ints:
    """Return the first second (since 1970, UTC) of each month, and the timeline's end.

    Returns:
        int64 `[months + 1]`, rising.
    """
    return (
        _months(timeline, timeline.months + 1).astype("datetime64[s]").astype(np.int64)
    )


def month_years(timeline: TimelineParams) -> Ints:
    """Return the year of each month, int64 `[months]`."""
    years = _months(timeline, timeline.months).astype("datetime64[Y]")
    return years.astype(np.int64) + 1970


def months_of_year(timeline: TimelineParams) -> Ints:
    """Return the month of the year, 1 … 12, of each month, int64 `[months]`."""
    return (timeline.start.month - 1 + np.arange(timeline.months)) % 12 + 1


def _months(timeline: TimelineParams, count: int) -> np.ndarray:
    return np.datetime64(timeline.start, "M") + np.arange(count)


@dataclass(frozen=True)
class Schedule:
    """Times of a chunk's ratings, user by user, oldest first; one entry per rating.

    Attributes:
        user: int64, row of the user in the chunk.
        timestamp: int64, seconds since 1970, non-decreasing within a user.
        month: int64, month of the timeline in which the session starts.
        session: int64, the user's sessions counted from 0.
        interest: int64, index of the session's interest in `INTERESTS`.
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
        progress: float64, fraction of the user's lifetime at the start; first: 0.
        start: int64, seconds since 1970.
        month: int64, month of the timeline.
    """

    user: Ints
    progress: Floats
    start: Ints
    month: Ints


def sample_schedule(recipe: Recipe, users: Users, chunk: int) -> Schedule:
    """Return the times and interests of a chunk's ratings, without their movies."""
    rng = random_stream(recipe.seed, Purpose.SESSIONS, chunk)
    user = np.repeat(np.arange(len(users.user_id)), users.n_ratings)
    starts_session = rng.random(len(user)) < 1 / recipe.sessions.length
    starts_session |= positions_in_groups(users.n_ratings) == 0
    sessions = _sample_sessions(recipe, user[starts_session], rng)
    interest = _sample_interests(recipe, users, sessions, rng)
    offset = _sample_offsets(recipe, starts_session, rng)
    session = np.cumsum(starts_session) - 1  # counted across the chunk
    # A session starts no earlier than the user's last rating before it.
    apart = user * _USER_OFFSET
    timestamp = np.maximum.accumulate(sessions.start[session] + offset + apart) - apart
    return Schedule(
        user=user,
        timestamp=timestamp,
        month=sessions.month[session],
        session=session - _first_rows(sessions.user)[user],
        interest=interest[session],
    )


def _sample_sessions(recipe: Recipe, user: Ints, rng: np.random.Generator) -> _Sessions:
    bounds = month_starts(recipe.timeline)
    progress = rng.random(len(user))
    progress = progress[np.lexsort((progress, user))]
    progress[_first_rows(user)] = 0.0
    day = _sample_days(recipe, user, progress, rng)
    hour = (_MEAN_HOUR + _HOUR_SPREAD * rng.standard_normal(len(user))) % 24
    start = np.clip(day + (hour * 3600).astype(np.int64), bounds[0], bounds[-1] - 1)
    start = start[np.lexsort((start, user))]
    month = np.searchsorted(bounds, start, side="right") - 1
    return _Sessions(user, progress, start, month)


def _first_rows(user: Ints) -> Ints:
    """Return the first row of each user; rows are sorted by user."""
    return np.flatnonzero(np.diff(user, prepend=-1))


def _sample_days(
    recipe: Recipe, user: Ints, progress: Floats, rng: np.random.Generator
) -> Ints:
    """Return the first second of each session's day; winters have more sessions."""
    timeline = recipe.timeline
    bounds = month_starts(timeline)
    total = float(bounds[-1] - bounds[0])
    n_users = int(user[-1]) + 1
    lifetime = rng.exponential(recipe.users.lifetime_days * _DAY, n_users)
    lifetime = np.minimum(lifetime, total)
    joined = rng.random(n_users) * (total - lifetime)
    activity = (joined[user] + lifetime[user] * progress) / total
    angle = 2 * np.pi * (months_of_year(timeline) - 1) / 12
    intensity = 1 + 0.5 * recipe.sessions.seasons * np.cos(angle)
    cumulative = np.concatenate([[0.0], np.cumsum(intensity * np.diff(bounds))])
    seconds = np.interp(
        activity, cumulative / cumulative[-1], bounds.astype(np.float64)
    )
    return seconds.astype(np.int64) // _DAY * _DAY


def _sample_interests(
    recipe: Recipe, users: Users, sessions: _Sessions, rng: np.random.Generator
) -> Ints:
    """Sample one of the user's interests per session, by drift and season."""
    interests = users.interests[sessions.user]
    distance = sessions.progress[:, None] - users.peaks[sessions.user]
    drift = np.exp(-((recipe.users.drift * distance) ** 2))
    weight = users.weights[sessions.user] * drift
    month = months_of_year(recipe.timeline)[sessions.month] - 1
    weight *= _season_weights(recipe.sessions.seasons)[interests, month[:, None]]
    column = sample_columns(weight, rng.random(len(sessions.user)))
    return interests[np.arange(len(column)), column]


def _season_weights(strength: float) -> Floats:
    """Return the weight of each interest per month of the year, `[INTERESTS, 12]`."""
    peak = np.array([one.month or np.nan for one in INTERESTS])
    wave = np.cos(2 * np.pi * (np.arange(1, 13) - peak[:, None]) / 12)
    weights: Floats = np.exp(2 * strength * np.nan_to_num(wave, nan=0.0))
    return weights


def _sample_offsets(
    recipe: Recipe, starts_session: Bools, rng: np.random.Generator
) -> Ints:
    """Sample the seconds between the start of its session and each rating."""
    n_ratings = len(starts_session)
    pause = 1 + rng.exponential(recipe.sessions.pause, n_ratings).astype(np.int64)
    pause[rng.random(n_ratings) < recipe.sessions.ties] = 0
    pause[starts_session] = 0
    passed = np.cumsum(pause)
    offset: Ints = passed - passed[starts_session][np.cumsum(starts_session) - 1]
    return offset
