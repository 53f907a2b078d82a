"""Put a simulation together: its catalogue at once, its users chunk by chunk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from two_tower.movielens.releases import RELEASES, Release
from two_tower.movielens.simulation.catalogue import Movies, make_movies
from two_tower.movielens.simulation.choices import Choices, make_choices
from two_tower.movielens.simulation.draws import Floats
from two_tower.movielens.simulation.people import People, make_people, n_chunks
from two_tower.movielens.simulation.pools import Pools, make_pools
from two_tower.movielens.simulation.recipe import Recipe
from two_tower.movielens.simulation.sessions import Schedule, make_schedule
from two_tower.movielens.simulation.stars import make_stars


@dataclass(frozen=True)
class Chunk:
    """The ratings of some users.

    Attributes:
        number: which chunk, from 0.
        people: who rates.
        schedule: when, in which session and following which interest.
        choices: which movie and why; entries as in `schedule`.
        stars: float64, the rating; entries as in `schedule`.
    """

    number: int
    people: People
    schedule: Schedule
    choices: Choices
    stars: Floats


@dataclass(frozen=True)
class Simulation:
    """A recipe with its catalogue; users and ratings are made when asked for.

    Memory holds one chunk of users at a time, so it grows with `users_per_chunk` and
    the catalogue, not with the number of ratings.
    """

    recipe: Recipe
    release: Release
    movies: Movies
    pools: Pools

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """Return the simulation that a recipe describes."""
        movies = make_movies(recipe)
        return cls(recipe, RELEASES[recipe.release], movies, make_pools(recipe, movies))

    def people(self) -> Iterator[People]:
        """Yield all users, a chunk at a time."""
        for number in range(n_chunks(self.recipe)):
            yield make_people(self.recipe, number)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all ratings, a chunk of users at a time."""
        for number, people in enumerate(self.people()):
            yield self._chunk(number, people)

    def _chunk(self, number: int, people: People) -> Chunk:
        recipe, movies = self.recipe, self.movies
        schedule = make_schedule(recipe, people, number)
        choices = make_choices(recipe, movies, self.pools, schedule, number)
        stars = make_stars(recipe, movies, people, choices, number)
        return Chunk(number, people, schedule, choices, stars)
