"""Pools of movies per interest and month, sampled by popularity."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.movies import Movies
from two_tower.simulation.random_streams import Floats, Ints, positions_in_groups
from two_tower.simulation.recipe import Recipe

ALL_MOVIES: Final = len(INTERESTS)
"""Index of the pool of all movies; the pools before it hold one interest each."""

N_POOLS: Final = ALL_MOVIES + 1

_SECOND_INTEREST: Final = 0.3  # weight of a movie there, relative to its first interest
_NOVELTY_LIFETIMES: Final = 4.0  # novelty ends after this many times `novelty_months`


@dataclass(frozen=True)
class _Ranges:
    """A range of entries per block; a block is one pool in one month.

    Attributes:
        before: float64 `[blocks]`, total weight of all entries before the range.
        weight: float64 `[blocks]`, total weight of the range; 0 if it is empty.
        last: int64 `[blocks]`, last entry of the range.
    """

    before: Floats
    weight: Floats
    last: Ints


@dataclass(frozen=True)
class Pools:
    """Movies with their sampling weights, per month and pool (a block).

    A block holds the movies of its pool that have arrived, weighted by popularity,
    and the new ones again, weighted by their novelty. Movies are in order of arrival,
    so the arrived movies of each month are a prefix of their pool, stored once.

    Attributes:
        movie: int64 `[entries]`, rows of movies: the members of each pool, then the
            new movies month by month and pool by pool.
        cumulative: float64 `[entries]`, total weight up to and including each entry.
        arrived: each block's range of arrived movies.
        new: each block's range of new movies.
    """

    movie: Ints
    cumulative: Floats
    arrived: _Ranges
    new: _Ranges

    def sample(self, month: Ints, pool: Ints, uniform: Floats) -> Ints:
        """Return movies sampled with replacement from one pool per row.

        Args:
            month: int64 `[n]`.
            pool: int64 `[n]`, an index into `INTERESTS`, or `ALL_MOVIES`.
            uniform: `[n, tries]` random numbers in [0, 1).

        Returns:
            int64 `[n, tries]`, rows of movies.
        """
        block = (month * N_POOLS + pool)[:, None]
        arrived, new = self.arrived, self.new
        weight = uniform * (arrived.weight[block] + new.weight[block])
        beyond_arrived = weight - arrived.weight[block]
        is_new = (beyond_arrived >= 0) & (new.weight[block] > 0)
        target = np.where(
            is_new, new.before[block] + beyond_arrived, arrived.before[block] + weight
        )
        entry = np.searchsorted(self.cumulative, target, side="right")
        # Rounding may lead past the last entry of the range.
        last = np.where(is_new, new.last[block], arrived.last[block])
        movie: Ints = self.movie[np.minimum(entry, last)]
        return movie


@dataclass(frozen=True)
class _Entries:
    """Movies in pools, as `[entries]` arrays; `weight` is the movie's in the pool."""

    pool: Ints
    movie: Ints
    weight: Floats


def make_pools(recipe: Recipe, movies: Movies) -> Pools:
    """Return the pools of a catalogue, for all months of the timeline."""
    members = _members(movies)
    new, new_block = _new_entries(recipe, movies, members)
    cumulative = np.cumsum(np.concatenate([members.weight, new.weight]))
    n_members = len(members.movie)
    months = recipe.timeline.months
    blocks = np.arange(months * N_POOLS)
    month, pool = blocks // N_POOLS, blocks % N_POOLS
    # Members are sorted by pool, then arrival.
    key = members.pool * months + movies.arrival[members.movie]
    first = np.searchsorted(members.pool, pool)
    end = np.searchsorted(key, pool * months + month, side="right")
    return Pools(
        movie=np.concatenate([members.movie, new.movie]),
        cumulative=cumulative,
        arrived=_ranges(cumulative, first, end),
        new=_ranges(
            cumulative,
            n_members + np.searchsorted(new_block, blocks),
            n_members + np.searchsorted(new_block, blocks, side="right"),
        ),
    )


def _members(movies: Movies) -> _Entries:
    """Return the movies of each pool, pool by pool, in order of arrival."""
    row = np.arange(len(movies.interest))
    crossover = np.flatnonzero(movies.second_interest >= 0)
    n_movies, n_crossover = len(row), len(crossover)
    second_interest = movies.second_interest[crossover]
    pool = np.concatenate(
        [movies.interest, second_interest, np.full(n_movies, ALL_MOVIES)]
    )
    movie = np.concatenate([row, crossover, row])
    share = np.repeat([1.0, _SECOND_INTEREST, 1.0], [n_movies, n_crossover, n_movies])
    order = np.lexsort((movie, pool))
    weight = share * movies.popularity[movie]
    return _Entries(pool[order], movie[order], weight[order])


def _new_entries(
    recipe: Recipe, movies: Movies, members: _Entries
) -> tuple[_Entries, Ints]:
    """Return an entry for each month in which a member is new, and their blocks.

    Entries are sorted by block, which is `month * N_POOLS + pool`.
    """
    shape, months = recipe.sessions, recipe.timeline.months
    arrival = movies.arrival[members.movie]
    duration = int(_NOVELTY_LIFETIMES * shape.novelty_months) + 1
    n_months = np.where(arrival > 0, np.minimum(months - arrival, duration), 0)
    member = np.repeat(np.arange(len(arrival)), n_months)
    age = positions_in_groups(n_months)
    block = (arrival[member] + age) * N_POOLS + members.pool[member]
    order = np.argsort(block, kind="stable")
    member, age = member[order], age[order]
    novelty = shape.novelty * np.exp(-age / shape.novelty_months)
    weight = members.weight[member] * novelty
    return _Entries(members.pool[member], members.movie[member], weight), block[order]


def _ranges(cumulative: Floats, first: Ints, end: Ints) -> _Ranges:
    """Return the ranges of entries `first` to `end - 1`, which may be empty."""
    before = np.concatenate([[0.0], cumulative])
    return _Ranges(before[first], before[end] - before[first], end - 1)
