"""Sample the movie and the stars of each rating."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from two_tower.movielens.releases import RELEASES
from two_tower.simulation.movies import NONE, Movies
from two_tower.simulation.pools import ALL_MOVIES, Pools
from two_tower.simulation.random_streams import (
    Bools,
    Floats,
    Ints,
    Purpose,
    random_stream,
)
from two_tower.simulation.recipe import Recipe
from two_tower.simulation.sessions import Schedule
from two_tower.simulation.users import Users

# Rounds of rejection sampling: movies sampled per user, and whether from all movies.
_ROUNDS: Final = ((4, False), (24, False), (24, True))


class Reason(IntEnum):
    """Reason why a user rates a movie."""

    INTEREST = 0
    SEQUEL = 1
    POPULARITY = 2


@dataclass(frozen=True)
class RatedMovies:
    """Movies of a chunk's ratings; one entry per entry of the schedule.

    Attributes:
        user: int64, row of the user in the chunk.
        movie: int64, row of the movie; distinct within a user.
        reason: int64, a `Reason`.
    """

    user: Ints
    movie: Ints
    reason: Ints


@dataclass(frozen=True)
class _MovieSampler:
    """Samples a chunk's movies step by step: all first movies, then all second ones.

    Attributes:
        movies: the catalogue.
        pools: the pools of unseen movies.
        sequel: chance that a user rates the awaited sequel next.
        rng: random stream of the chunk.
        seen: bool `[users, movies]`, updated at each step.
        awaited: int64 `[users]`, sequel that each user awaits, updated at each step.
    """

    movies: Movies
    pools: Pools
    sequel: float
    rng: np.random.Generator
    seen: Bools
    awaited: Ints

    def step(self, user: Ints, month: Ints, pool: Ints) -> tuple[Ints, Ints]:
        """Sample the next movie of some users.

        Args:
            user: int64 `[n]`, distinct rows of users.
            month: int64 `[n]`, month of the timeline.
            pool: int64 `[n]`, pool to sample from unless a sequel follows.

        Returns:
            The movies and the reasons, int64 `[n]` each.
        """
        unseen, source = self._sample_unseen(user, month, pool)
        reason = np.where(source == ALL_MOVIES, Reason.POPULARITY, Reason.INTEREST)
        awaited = self.awaited[user]
        follows = (awaited != NONE) & (self.rng.random(len(user)) < self.sequel)
        follows &= ~self.seen[user, awaited] & (self.movies.arrival[awaited] <= month)
        movie = np.where(follows, awaited, unseen)
        self._mark_seen(user, movie)
        return movie, np.where(follows, Reason.SEQUEL, reason)

    def _mark_seen(self, user: Ints, movie: Ints) -> None:
        self.seen[user, movie] = True
        next_part = self.movies.sequel[movie]
        self.awaited[user] = np.where(next_part == NONE, self.awaited[user], next_part)

    def _sample_unseen(self, user: Ints, month: Ints, pool: Ints) -> tuple[Ints, Ints]:
        """Return an unseen movie per user, and the pool that it was sampled from.

        That pool is `ALL_MOVIES` for users who have seen nearly all of their pool.
        """
        movie = np.full(len(user), NONE)
        source = pool
        for n_tries, from_all in _ROUNDS:
            missing = np.flatnonzero(movie == NONE)
            if from_all:
                source = np.where(movie == NONE, ALL_MOVIES, source)
            uniform = self.rng.random((len(missing), n_tries))
            sampled = self.pools.sample(month[missing], source[missing], uniform)
            movie[missing] = self._first_unseen(user[missing], sampled)
        missing = np.flatnonzero(movie == NONE)
        movie[missing] = self._most_popular_unseen(user[missing], month[missing])
        return movie, source

    def _first_unseen(self, user: Ints, sampled: Ints) -> Ints:
        is_unseen = ~self.seen[user[:, None], sampled]
        column = np.argmax(is_unseen, axis=1)
        row = np.arange(len(user))
        return np.where(is_unseen[row, column], sampled[row, column], NONE)

    def _most_popular_unseen(self, user: Ints, month: Ints) -> Ints:
        is_allowed = ~self.seen[user] & (self.movies.arrival <= month[:, None])
        weight = np.where(is_allowed, self.movies.popularity, -1.0)
        most: Ints = np.argmax(weight, axis=1)
        return most


def sample_rated_movies(
    recipe: Recipe, movies: Movies, pools: Pools, schedule: Schedule, chunk: int
) -> RatedMovies:
    """Return the movie of each rating of a chunk's schedule.

    Takes as many steps as the chunk's longest history has ratings; each step is a few
    array operations over all users with a rating left.
    """
    rng = random_stream(recipe.seed, Purpose.RATED_MOVIES, chunk)
    lengths = np.bincount(schedule.user)
    first = np.cumsum(lengths) - lengths
    by_length = np.argsort(-lengths, kind="stable")
    by_popularity = rng.random(len(schedule.user)) < recipe.sessions.wide
    pool = np.where(by_popularity, ALL_MOVIES, schedule.interest)
    sampler = _MovieSampler(
        movies,
        pools,
        recipe.sessions.sequel,
        rng,
        seen=np.zeros((len(lengths), len(movies.interest)), dtype=bool),
        awaited=np.full(len(lengths), NONE),
    )
    movie, reason = np.empty_like(pool), np.empty_like(pool)
    for step in range(int(lengths.max())):
        user = by_length[: np.count_nonzero(lengths > step)]
        row = first[user] + step
        movie[row], reason[row] = sampler.step(user, schedule.month[row], pool[row])
    return RatedMovies(schedule.user, movie, reason)


def sample_stars(
    recipe: Recipe, movies: Movies, users: Users, rated: RatedMovies, chunk: int
) -> Floats:
    """Return the stars of each rating, on the release's scale, float64 `[ratings]`."""
    rng = random_stream(recipe.seed, Purpose.STARS, chunk)
    shape, scale = recipe.stars, RELEASES[recipe.release].scale
    user, movie = rated.user, rated.movie
    matches = movies.interest[movie, None] == users.interests[user]
    liking = (
        shape.mean
        + shape.user * users.bias[user]
        + shape.movie * movies.quality[movie]
        + shape.match * (matches.any(axis=1) - 0.5)
        + shape.noise * rng.standard_normal(len(user))
    )
    steps = np.rint((liking - scale.lowest) / scale.step)
    max_steps = round((scale.highest - scale.lowest) / scale.step)
    stars: Floats = scale.lowest + scale.step * np.clip(steps, 0, max_steps)
    return stars
