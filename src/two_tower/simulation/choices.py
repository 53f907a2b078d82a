"""Draw what users rate: the awaited sequel, or a movie of the session's interest."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from two_tower.movielens.releases import RELEASES
from two_tower.simulation.movies import NOWHERE, Movies
from two_tower.simulation.pools import EVERYTHING, Pools
from two_tower.simulation.random_streams import Bools, Floats, Ints, Purpose, generator
from two_tower.simulation.recipe import Recipe
from two_tower.simulation.sessions import Schedule
from two_tower.simulation.users import People

# Draws at once, and whether from all movies; who found nothing unseen tries again.
_ROUNDS: Final = ((4, False), (24, False), (24, True))


class Reason(IntEnum):
    """Why a movie was chosen."""

    INTEREST = 0
    SEQUEL = 1
    POPULARITY = 2


@dataclass(frozen=True)
class Choices:
    """What was chosen at each entry of a schedule.

    Attributes:
        user: int64, row of the user in the chunk.
        movie: int64, row of the movie; no user has one twice.
        reason: int64, a `Reason`.
    """

    user: Ints
    movie: Ints
    reason: Ints


@dataclass(frozen=True)
class Chooser:
    """Chooses for one chunk, a step at a time: all first movies, then all second ones.

    Attributes:
        movies: the catalogue.
        pools: what to draw from.
        sequel: the chance that the next movie is the awaited sequel.
        rng: draws all of it.
        seen: bool `[users, movies]`, changed at each step.
        awaited: int64 `[users]`, row of the sequel each awaits, changed at each step.
    """

    movies: Movies
    pools: Pools
    sequel: float
    rng: np.random.Generator
    seen: Bools
    awaited: Ints

    def step(self, user: Ints, month: Ints, pool: Ints) -> tuple[Ints, Ints]:
        """Choose the next movie of each of some users.

        Args:
            user: int64 `[n]`, rows of users, all different.
            month: int64 `[n]`, month of the timeline.
            pool: int64 `[n]`, which pool to draw from if there is no sequel.

        Returns:
            The movies and the reasons, int64 `[n]` each.
        """
        drawn, source = self._unseen(user, month, pool)
        is_wide = source == EVERYTHING
        reason = np.where(is_wide, Reason.POPULARITY, Reason.INTEREST)
        awaited = self.awaited[user]
        follows = (awaited != NOWHERE) & (self.rng.random(len(user)) < self.sequel)
        follows &= ~self.seen[user, awaited] & (self.movies.arrival[awaited] <= month)
        movie = np.where(follows, awaited, drawn)
        self._remember(user, movie)
        return movie, np.where(follows, Reason.SEQUEL, reason)

    def _remember(self, user: Ints, movie: Ints) -> None:
        self.seen[user, movie] = True
        next_part = self.movies.sequel[movie]
        self.awaited[user] = np.where(
            next_part == NOWHERE, self.awaited[user], next_part
        )

    def _unseen(self, user: Ints, month: Ints, pool: Ints) -> tuple[Ints, Ints]:
        """Draw a movie that each user hasn't seen, and say from which pool it came.

        A user who has seen nearly all of a pool gets one from `EVERYTHING`.
        """
        movie = np.full(len(user), NOWHERE)
        source = pool
        for n_tries, from_all in _ROUNDS:
            lost = np.flatnonzero(movie == NOWHERE)
            if from_all:
                source = np.where(movie == NOWHERE, EVERYTHING, source)
            uniform = self.rng.random((len(lost), n_tries))
            drawn = self.pools.draw(month[lost], source[lost], uniform)
            movie[lost] = self._first_unseen(user[lost], drawn)
        lost = np.flatnonzero(movie == NOWHERE)
        movie[lost] = self._most_popular_unseen(user[lost], month[lost])
        return movie, source

    def _first_unseen(self, user: Ints, drawn: Ints) -> Ints:
        unseen = ~self.seen[user[:, None], drawn]
        column = np.argmax(unseen, axis=1)
        row = np.arange(len(user))
        return np.where(unseen[row, column], drawn[row, column], NOWHERE)

    def _most_popular_unseen(self, user: Ints, month: Ints) -> Ints:
        is_there = ~self.seen[user] & (self.movies.arrival <= month[:, None])
        weight = np.where(is_there, self.movies.popularity, -1.0)
        most: Ints = np.argmax(weight, axis=1)
        return most


def make_choices(
    recipe: Recipe, movies: Movies, pools: Pools, schedule: Schedule, chunk: int
) -> Choices:
    """Return what each rating of a chunk's schedule is about.

    Takes as many steps as the chunk's longest history, each of them a few array
    operations over all users who rate that much.
    """
    rng = generator(recipe.seed, Purpose.CHOICES, chunk)
    lengths = np.bincount(schedule.user)
    first = np.cumsum(lengths) - lengths
    busiest = np.argsort(-lengths, kind="stable")
    is_wide = rng.random(len(schedule.user)) < recipe.sessions.wide
    pool = np.where(is_wide, EVERYTHING, schedule.interest)
    chooser = Chooser(
        movies,
        pools,
        recipe.sessions.sequel,
        rng,
        seen=np.zeros((len(lengths), len(movies.interest)), dtype=bool),
        awaited=np.full(len(lengths), NOWHERE),
    )
    movie, reason = np.empty_like(pool), np.empty_like(pool)
    for step in range(int(lengths.max())):
        user = busiest[: np.count_nonzero(lengths > step)]
        row = first[user] + step
        movie[row], reason[row] = chooser.step(user, schedule.month[row], pool[row])
    return Choices(schedule.user, movie, reason)


def make_stars(
    recipe: Recipe, movies: Movies, people: People, choices: Choices, chunk: int
) -> Floats:
    """Return the rating of each choice, on the release's scale."""
    rng = generator(recipe.seed, Purpose.STARS, chunk)
    shape, scale = recipe.stars, RELEASES[recipe.release].scale
    user, movie = choices.user, choices.movie
    serves = movies.interest[movie, None] == people.interests[user]
    liking = (
        shape.mean
        + shape.user * people.bias[user]
        + shape.movie * movies.quality[movie]
        + shape.match * (serves.any(axis=1) - 0.5)
        + shape.noise * rng.standard_normal(len(user))
    )
    steps = np.rint((liking - scale.lowest) / scale.step)
    most = round((scale.highest - scale.lowest) / scale.step)
    stars: Floats = scale.lowest + scale.step * np.clip(steps, 0, most)
    return stars
