"""The movies to choose from by interest and month, drawn by popularity."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.movies import Movies
from two_tower.simulation.random_streams import Floats, Ints, positions
from two_tower.simulation.recipe import Recipe

EVERYTHING: Final = len(INTERESTS)
"""The pool of all movies, after one pool per interest."""

N_POOLS: Final = EVERYTHING + 1

_SECOND_INTEREST: Final = 0.3  # a movie's weight there, of that in its first
_TIMES_FADED: Final = 4.0  # after which novelty is over: 1/e, four times in a row


@dataclass(frozen=True)
class _Spans:
    """Which entries of a table can be drawn in each block; a block is one draw's place.

    Attributes:
        before: float64 `[blocks]`, the weight of all entries before the first.
        weight: float64 `[blocks]`, the weight of the block's entries together.
        last: int64 `[blocks]`, its last entry.
    """

    before: Floats
    weight: Floats
    last: Ints


@dataclass(frozen=True)
class Pools:
    """For each month and pool (a block), movies with the chance to be chosen there.

    A block's movies are those of its pool that have arrived, by popularity, and once
    more those that are new, by what novelty adds. The first can be kept once for all
    months, since movies are in order of arrival: a month's are the first few.

    Attributes:
        movie: int64 `[entries]`, rows of movies: pool by pool, then the new ones
            month by month and pool by pool.
        reached: float64 `[entries]`, rising: the weight up to and with each entry.
        arrived: the first kind's entries of each block.
        new: the second kind's entries of each block.
    """

    movie: Ints
    reached: Floats
    arrived: _Spans
    new: _Spans

    def draw(self, month: Ints, pool: Ints, uniform: Floats) -> Ints:
        """Return movies drawn from one pool per row.

        Args:
            month: int64 `[n]`.
            pool: int64 `[n]`, a row of `INTERESTS`, or `EVERYTHING`.
            uniform: `[n, tries]` in [0, 1).

        Returns:
            int64 `[n, tries]`, rows of movies, drawn with replacement.
        """
        block = (month * N_POOLS + pool)[:, None]
        arrived, new = self.arrived, self.new
        height = uniform * (arrived.weight[block] + new.weight[block])
        above = height - arrived.weight[block]
        is_new = (above >= 0) & (new.weight[block] > 0)
        target = np.where(
            is_new, new.before[block] + above, arrived.before[block] + height
        )
        entry = np.searchsorted(self.reached, target, side="right")
        # Rounding may lead past a block's last entry.
        last = np.where(is_new, new.last[block], arrived.last[block])
        drawn: Ints = self.movie[np.minimum(entry, last)]
        return drawn


@dataclass(frozen=True)
class _Entries:
    """Movies in pools, one entry each; `weight` is that of the movie in the pool."""

    pool: Ints
    movie: Ints
    weight: Floats


def make_pools(recipe: Recipe, movies: Movies) -> Pools:
    """Return what can be chosen in each month, from each pool."""
    members = _members(movies)
    new, block = _new_entries(recipe, movies, members)
    reached = np.cumsum(np.concatenate([members.weight, new.weight]))
    n_members = len(members.movie)
    blocks = np.arange(recipe.timeline.months * N_POOLS)
    month, pool = blocks // N_POOLS, blocks % N_POOLS
    # Entries are in the order of pool, then arrival.
    months = recipe.timeline.months
    key = members.pool * months + movies.arrival[members.movie]
    first = np.searchsorted(members.pool, pool)
    end = np.searchsorted(key, pool * months + month, side="right")
    return Pools(
        movie=np.concatenate([members.movie, new.movie]),
        reached=reached,
        arrived=_spans(reached, first, end),
        new=_spans(
            reached,
            n_members + np.searchsorted(block, blocks),
            n_members + np.searchsorted(block, blocks, side="right"),
        ),
    )


def _members(movies: Movies) -> _Entries:
    """Return the movies of each pool, pool by pool, in order of arrival."""
    row = np.arange(len(movies.interest))
    also = np.flatnonzero(movies.second_interest >= 0)
    pool = np.concatenate(
        [movies.interest, movies.second_interest[also], np.full(len(row), EVERYTHING)]
    )
    movie = np.concatenate([row, also, row])
    share = np.repeat([1.0, _SECOND_INTEREST, 1.0], [len(row), len(also), len(row)])
    order = np.lexsort((movie, pool))
    weight = share * movies.popularity[movie]
    return _Entries(pool[order], movie[order], weight[order])


def _new_entries(
    recipe: Recipe, movies: Movies, members: _Entries
) -> tuple[_Entries, Ints]:
    """Return what novelty adds, an entry per member and month, and their blocks.

    Blocks count pools within months and never fall.
    """
    shape, months = recipe.sessions, recipe.timeline.months
    arrival = movies.arrival[members.movie]
    lasting = int(_TIMES_FADED * shape.novelty_months) + 1
    n_months = np.where(arrival > 0, np.minimum(months - arrival, lasting), 0)
    member = np.repeat(np.arange(len(arrival)), n_months)
    age = positions(n_months)
    block = (arrival[member] + age) * N_POOLS + members.pool[member]
    order = np.argsort(block, kind="stable")
    member, age = member[order], age[order]
    fading = shape.novelty * np.exp(-age / shape.novelty_months)
    weight = members.weight[member] * fading
    return _Entries(members.pool[member], members.movie[member], weight), block[order]


def _spans(reached: Floats, first: Ints, end: Ints) -> _Spans:
    """Return the spans from `first` to before `end`; those may be empty."""
    before = np.concatenate([[0.0], reached])
    return _Spans(before[first], before[end] - before[first], end - 1)
